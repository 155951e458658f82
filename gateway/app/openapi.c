#include "gateway/app/openapi.h"

#include <string.h>
#include "admin_api/shapes.h"
#include "auth/signature.h"
#include "gateway/gate/problem.h"
#include "gateway/http/head.h"
#include "gateway/rest/shapes.h"

#define OPERATIONS_MAX 512u
#define JSON           "application/json"

/* --- problems ----------------------------------------------------------------------------------
 */

/* clang-format off */
static const struct shape_problem own_problems[] = {
    {"head", 400, "request head refused", "send one Host, one Content-Length, CR LF, no Transfer-Encoding; the detail says which rule"},
};

/* What to do about the problems of the gate. */
static const struct {
    enum gate_problem_kind kind;
    const char *next;
} nexts[] = {
    {PROBLEM_MALFORMED,       "send one JSON object in which no member stands twice"},
    {PROBLEM_KEY_MISSING,     "send Idempotency-Key: a fresh name for this request, the same when it is repeated"},
    {PROBLEM_UNAUTHENTICATED, "sign the request (docs/AUTH.md) or sign in"},
    {PROBLEM_REPLAY,          "sign each request anew, with a fresh nonce"},
    {PROBLEM_FORBIDDEN,       "the detail names the permission; docs/reference/ROLES.md says who has it"},
    {PROBLEM_SECOND_FACTOR,   "enter a code of the second factor, then repeat the request"},
    {PROBLEM_CROSS_SITE,      "send Origin of this listener, Content-Type: application/json and X-CSRF-Token of the session"},
    {PROBLEM_DUTY,            "POST /v1/session/password, then /v1/session/enrol and its confirm"},
    {PROBLEM_SELF_APPROVAL,   "have another person approve it"},
    {PROBLEM_APPROVAL,        "have a second person approve the change, see /v1/changes"},
    {PROBLEM_UNKNOWN,         "the detail says where the list of what there is can be read"},
    {PROBLEM_ILLEGAL,         "look at the present state (GET); take the step in between first"},
    {PROBLEM_EXPIRED,         "ask again: a new change begins a new time"},
    {PROBLEM_DECIDED_ALREADY, "look at /v1/changes/{id}: who decided, and what"},
    {PROBLEM_STAGE_HOLD,      "wait until the stage has held; the detail says how long"},
    {PROBLEM_ROOT_CAUSE,      "enter the root cause of the incident, then ask again"},
    {PROBLEM_IN_PROGRESS,     "wait a moment and repeat the same request: it answers with the result"},
    {PROBLEM_VERSION,         "read it again; the ETag of this answer is the present version"},
    {PROBLEM_PAYLOAD,         "read the change again and approve the hash it has now"},
    {PROBLEM_VALIDATION,      "errors[].pointer names the field, errors[].detail what it may hold"},
    {PROBLEM_ONCE_MISMATCH,   "take a fresh Idempotency-Key for a different request"},
    {PROBLEM_PRECONDITION,    "send If-Match: the ETag that GET answers; * only to tighten"},
    {PROBLEM_RATE,            "wait as Retry-After says"},
    {PROBLEM_UNAVAILABLE,     "wait for PostgreSQL (see /readyz); tightening goes on without it"},
    {PROBLEM_JOURNAL_OPEN,    "wait until the journal has entered the chain; `audit.journaled` of /v1/stats says how many records wait"},
};
/* clang-format on */

static const char *next_of(enum gate_problem_kind kind)
{
    for (unsigned i = 0; i < GW_LEN(nexts); i++) {
        if (nexts[i].kind == kind) {
            return nexts[i].next;
        }
    }
    return "the detail says what to do";
}

/* The problem of an error of gateway/base/err.h: its name without the prefix, in small letters. */
static struct shape_problem problem_of_err(enum gw_err err, char code[32])
{
    const struct gw_err_row *row = gw_err_row(err);
    size_t n = 0;

    for (const char *p = row->name + strlen("GW_E"); *p != '\0' && n < 31; p++) {
        code[n++] = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
    }
    code[n] = '\0';
    return (struct shape_problem){code, row->http_status, row->text,
                                  row->retry ? "try the same again after Retry-After"
                                             : "the detail says what is wrong with the request"};
}

typedef void problem_fn(void *arg, const struct shape_problem *p);

struct once {
    problem_fn *fn;
    void *arg;
    struct buf seen; /* "/code/code/" */
};

static void tell(struct once *o, const struct shape_problem *p)
{
    struct buf mark = {0};

    buf_printf(&mark, "/%s/", p->code);
    if (strstr(buf_cstr(&o->seen), buf_cstr(&mark)) == NULL) {
        buf_append(&o->seen, mark.data, mark.len);
        o->fn(o->arg, p);
    }
    buf_fini(&mark);
}

/* Each that can be answered, by its code once. */
static void each_problem(problem_fn *fn, void *arg)
{
    struct once once = {.fn = fn, .arg = arg};
    struct once *o = &once;
    char code[32];

    for (unsigned i = PROBLEM_NONE + 1; i < GATE_PROBLEM_COUNT; i++) {
        const struct gate_problem_row *row = &gate_problem_rows[i];

        tell(o, &(struct shape_problem){row->word, row->http_status, row->title,
                                        next_of((enum gate_problem_kind)i)});
    }
    for (size_t i = 0; i < api_problem_count; i++) {
        tell(o, &api_problems[i]);
    }
    for (unsigned i = 0; i < API_PEOPLE_PROBLEMS; i++) {
        struct shape_problem p = api_people_problem(i);

        tell(o, &p);
    }
    for (unsigned i = 0; i < GW_LEN(own_problems); i++) {
        tell(o, &own_problems[i]);
    }
    for (unsigned i = 0; i < GW_ERR_COUNT; i++) {
        if (gw_err_row((enum gw_err)i)->http_status >= 400) {
            struct shape_problem p = problem_of_err((enum gw_err)i, code);

            tell(o, &p);
        }
    }
    buf_fini(&once.seen);
}

struct search {
    const char *code;
    struct buf *out;
};

static void put_problem(struct buf *out, const struct shape_problem *p)
{
    buf_printf(out, "{\"type\":\"/problems/%s\",\"code\":\"%s\",\"status\":%u,\"title\":", p->code,
               p->code, p->status);
    buf_json_str(out, p->title, strlen(p->title));
    buf_lit(out, ",\"next\":");
    buf_json_str(out, p->next, strlen(p->next));
    buf_putc(out, '}');
}

static void match(void *arg, const struct shape_problem *p)
{
    struct search *s = arg;

    if (strcmp(p->code, s->code) == 0) {
        put_problem(s->out, p);
    }
}

static void get_problem(struct http_req *req, void *arg)
{
    struct buf body = {0};
    struct search s = {http_param(req, "code"), &body};

    (void)arg;
    each_problem(match, &s);
    if (body.len == 0) {
        http_reply_problem(req, GW_ENOTFOUND,
                           "no problem has that code; GET /openapi.json of the "
                           "admin listener lists all as x-problems");
    } else {
        http_set_header(req, "cache-control", "max-age=3600");
        http_reply(req, 200, JSON, body.data, body.len);
    }
    buf_fini(&body);
}

static void get_openapi(struct http_req *req, void *arg)
{
    struct buf body = {0};

    (void)arg;
    openapi_print(&body);
    http_set_header(req, "cache-control", "no-cache");
    http_reply(req, 200, JSON, body.data, body.len);
    buf_fini(&body);
}

const struct http_route openapi_public_routes[] = {{HTTP_GET, "/problems/{code}", get_problem}};
const size_t openapi_public_route_count = GW_LEN(openapi_public_routes);
const struct http_route openapi_admin_routes[] = {
    {HTTP_GET, "/problems/{code}", get_problem},
    {HTTP_GET, "/openapi.json", get_openapi},
};
const size_t openapi_admin_route_count = GW_LEN(openapi_admin_routes);

/* --- the document ------------------------------------------------------------------------------
 */

static const struct shape_route problem_shape = {HTTP_GET, "/problems/{code}", "", "",
                                                 "",       "200 ProblemPage"};
static const struct shape_route openapi_shape = {HTTP_GET, "/openapi.json", "", "",
                                                 "",       "200 object"};

static size_t own_operations(struct shape_op *out)
{
    const char *explain = "what a problem means and what to do about it";

    out[0] = (struct shape_op){.listener = "public",
                               .method = HTTP_GET,
                               .path = problem_shape.path,
                               .summary = explain,
                               .route = &problem_shape};
    out[1] = out[0];
    out[1].listener = "admin";
    out[2] = (struct shape_op){.listener = "admin",
                               .method = HTTP_GET,
                               .path = openapi_shape.path,
                               .summary = "this document",
                               .route = &openapi_shape};
    return 3;
}

/* The same path on both listeners is one operation here. */
static bool first_of_path(const struct shape_op *ops, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (strcmp(ops[k].path, ops[i].path) == 0) {
            return false;
        }
    }
    return true;
}

static void put_path(struct buf *out, const struct shape_op *ops, size_t count, size_t first)
{
    unsigned done = 0; /* methods */

    buf_printf(out, "\"%s\":{", ops[first].path);
    for (size_t i = first; i < count; i++) {
        const char *method = http_method_names[ops[i].method];

        if (strcmp(ops[i].path, ops[first].path) != 0 || (done >> ops[i].method & 1) != 0) {
            continue;
        }
        buf_puts(out, done != 0 ? ",\"" : "\"");
        done |= 1u << ops[i].method;
        for (const char *p = method; *p != '\0'; p++) {
            buf_putc(out, (char)(*p - 'A' + 'a'));
        }
        buf_lit(out, "\":");
        shape_operation(out, &ops[i]);
    }
    buf_putc(out, '}');
}

static void put_paths(struct buf *out)
{
    static struct shape_op ops[OPERATIONS_MAX];
    size_t count = rest_operations(ops, OPERATIONS_MAX);
    const char *comma = "";

    count += api_operations(&ops[count], OPERATIONS_MAX - count);
    GW_ASSERT(count + 3 <= OPERATIONS_MAX);
    count += own_operations(&ops[count]);
    buf_lit(out, ",\"paths\":{");
    for (size_t i = 0; i < count; i++) {
        if (first_of_path(ops, i)) {
            buf_puts(out, comma);
            put_path(out, ops, count, i);
            comma = ",";
        }
    }
    buf_putc(out, '}');
}

struct list {
    struct buf *out;
    const char *comma;
};

static void put_code(void *arg, const struct shape_problem *p)
{
    struct list *l = arg;

    buf_printf(l->out, "%s'%s'", l->comma, p->code);
    l->comma = "|";
}

static void put_row(void *arg, const struct shape_problem *p)
{
    struct list *l = arg;

    buf_puts(l->out, l->comma);
    put_problem(l->out, p);
    l->comma = ",";
}

static void put_schemas(struct buf *out)
{
    static const struct shape_member page[] = {
        {"ProblemPage", "type", "uri", ""},
        {"ProblemPage", "code", "ProblemCode", ""},
        {"ProblemPage", "status", "integer", ""},
        {"ProblemPage", "title", "string", ""},
        {"ProblemPage", "next", "string", "what a client does then"},
    };
    static const struct shape_member problem[] = {
        {"ProblemField", "pointer", "string",
         "JSON pointer (RFC 6901) into the body, or a parameter"},
        {"ProblemField", "detail", "string", "what it may hold"},
        {"Problem", "type", "uri", "/problems/ and the code: served, with what to do"},
        {"Problem", "code", "ProblemCode", ""},
        {"Problem", "title", "string", ""},
        {"Problem", "status", "integer(400..599)", ""},
        {"Problem", "detail?", "string", "of this case: what to do next"},
        {"Problem", "errors?", "ProblemField[]", ""},
        {"Problem", "current?", "Cell|Incident|null", "what it is now, of 409 and 412"},
        {"Problem", "instance?", "uri", "the trace of the request"},
        {"Problem", "time?", "time", ""},
    };
    struct buf codes = {0};
    struct list l = {&codes, ""};
    struct shape_member code = {"ProblemCode", "=", NULL, ""};
    const char *comma = "";

    each_problem(put_code, &l);
    code.type = buf_cstr(&codes);
    buf_lit(out, "\"schemas\":{");
    rest_schemas(out, &comma);
    api_schemas(out, &comma);
    shape_schemas(out, page, GW_LEN(page), &comma);
    shape_schemas(out, problem, GW_LEN(problem), &comma);
    shape_schemas(out, &code, 1, &comma);
    buf_putc(out, '}');
    buf_fini(&codes);
}

static void put_components(struct buf *out)
{
    buf_lit(out, ",\"components\":{");
    put_schemas(out);
    buf_lit(out,
            ",\"responses\":{\"Problem\":{\"description\":\"a problem (RFC 9457)\",\"content\":"
            "{\"application/problem+json\":{\"schema\":{\"$ref\":"
            "\"#/components/schemas/Problem\"}}}}},\"securitySchemes\":{\"signature\":{\"type\":"
            "\"apiKey\",\"in\":\"header\",\"name\":\"Signature\",\"description\":\"HTTP message "
            "signature (RFC 9421) in Signature and Signature-Input, with Content-Digest (RFC "
            "9530) of a body\",\"x-signature\":{\"tag\":\"" SIGNATURE_TAG
            "\",\"algorithms\":[\"ed25519\",\"hmac-sha256\"],\"components\":[\"@method\","
            "\"@authority\",\"@path\",\"@query\",\"content-type\",\"content-digest\",\"if-match\","
            "\"idempotency-key\"],\"parameters\":[\"created\",\"expires\",\"nonce\",\"keyid\","
            "\"tag\"]}},"
            "\"session\":{\"type\":\"apiKey\",\"in\":\"cookie\",\"name\":\"__Host-sid\","
            "\"description\":\"session of a person in a browser; changes also need X-CSRF-Token "
            "and Origin\"},\"bearer\":{\"type\":\"http\",\"scheme\":\"bearer\","
            "\"description\":\"token of a key that reports in, and can do nothing else\"}}}");
}

static void put_tags(struct buf *out)
{
    static const char *const tags[][2] = {
        {"about", "this server, its health, this document"},
        {"kraken", "Kraken's public REST, and tokens in its way"},
        {"md", "market data"},
        {"status", "state of the exchange"},
        {"limits", "limits of clients"},
        {"time", "the clock"},
        {"keys", "API keys"},
        {"scopes", "what keys may be given"},
        {"ws-token", "tokens for WebSocket connections"},
        {"control", "control state"},
        {"stats", "what is halted"},
        {"symbols", "symbols and their modes"},
        {"kill-switch", "the kill switch"},
        {"withdrawals", "withdrawals"},
        {"fanout", "how hard market data is sent out"},
        {"upstreams", "which feed is followed"},
        {"accounts", "accounts"},
        {"changes", "requests to loosen"},
        {"tickets-owed", "what was halted without a ticket"},
        {"commands", "what is asked of the exchange core"},
        {"connections", "WebSocket connections"},
        {"circuits", "what waits before it tries again"},
        {"playbooks", "what to do when"},
        {"smoke", "the smoke test"},
        {"admin", "events"},
        {"paging", "pages to who is on call"},
        {"audit", "the audit log"},
        {"incidents", "what is wrong, since when, who has it"},
        {"session", "logging in"},
        {"sessions", "sessions of people"},
        {"dashboard", "the dashboard"},
        {"users", "people and their roles"},
        {"role-requests", "roles that take two persons"},
        {"access", "who may do what"},
        {"components", "systems around the gateway, as they report themselves"},
        {"signals", "numbers that others report"},
        {"alerts", "alerts that others send"},
        {"triage", "the first five minutes"},
        {"slo", "objectives"},
    };

    buf_lit(out, ",\"tags\":[");
    for (unsigned i = 0; i < GW_LEN(tags); i++) {
        buf_printf(out, "%s{\"name\":\"%s\",\"description\":\"%s\"}", i != 0 ? "," : "", tags[i][0],
                   tags[i][1]);
    }
    buf_putc(out, ']');
}

void openapi_print(struct buf *out)
{
    struct list l = {out, ""};

    buf_lit(out,
            "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Portcullis\",\"version\":\"" GW_VERSION
            "\",\"summary\":\"edge gateway of an exchange\",\"description\":\"Made by `portcullis "
            "--describe openapi` from the tables of the routes. WebSocket messages are in "
            "docs/PROTOCOL.md. HEAD is answered wherever GET is. Clients ignore members of "
            "answers that they do not know.\",\"license\":{\"name\":\"Apache-2.0\","
            "\"identifier\":\"Apache-2.0\"}},\"servers\":[{\"url\":\"https://{host}:8445\","
            "\"description\":\"the admin listener\",\"variables\":{\"host\":{\"default\":"
            "\"localhost\"}}}]");
    put_tags(out);
    put_paths(out);
    put_components(out);
    buf_lit(out, ",\"x-problems\":[");
    each_problem(put_row, &l);
    buf_lit(out, "]}\n");
}
