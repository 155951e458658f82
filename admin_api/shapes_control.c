/* admin_api/shapes_control.c - schemas that follow from the tables of the control state and of the audit
 * log, member by member. */
#include <ctype.h>
#include <string.h>
#include "admin_api/shapes.h"
#include "gateway/audit/entry.h"
#include "gateway/control/control_json.h"
#include "gateway/control/state.h"

#define MEMBERS_MAX 32u
#define TEXT_MAX    48u

struct draft {
    char schema[TEXT_MAX];
    char names[MEMBERS_MAX][TEXT_MAX];
    struct buf types[MEMBERS_MAX];
    struct shape_member rows[MEMBERS_MAX];
    size_t count;
};

static void add(struct draft *d, const char *name, bool optional, const char *type,
                const char *help)
{
    size_t i = d->count++;

    GW_ASSERT(i < MEMBERS_MAX);
    (void)snprintf(d->names[i], TEXT_MAX, "%s%s", name, optional ? "?" : "");
    buf_puts(&d->types[i], type);
    d->rows[i] = (struct shape_member){d->schema, d->names[i], buf_cstr(&d->types[i]), help};
}

static void print(struct draft *d, struct buf *out, const char **comma)
{
    shape_schemas(out, d->rows, d->count, comma);
    for (size_t i = 0; i < d->count; i++) {
        buf_fini(&d->types[i]);
    }
    *d = (struct draft){0};
}

/* "SET_MODE" -> "SetMode" */
static void name_schema(struct draft *d, const char *prefix, const char *symbol)
{
    size_t n = (size_t)snprintf(d->schema, TEXT_MAX, "%s", prefix);
    bool first = true;

    for (const char *p = symbol; *p != '\0' && n + 1 < TEXT_MAX; p++) {
        if (*p == '_') {
            first = true;
            continue;
        }
        d->schema[n++] = (char)(first ? toupper(*p) : tolower(*p));
        first = false;
    }
    d->schema[n] = '\0';
}

static const char *type_of(const struct control_field *f, struct buf *out)
{
    uint32_t count;
    const char *const *words = control_field_words(f->type, &count);

    buf_reset(out);
    for (uint32_t i = 0; i < count; i++) {
        buf_printf(out, "|'%s'", words[i]);
    }
    if (count == 0) {
        buf_puts(out, f->type == CONTROL_FIELD_BOOL      ? "boolean"
                      : f->type == CONTROL_FIELD_SYMBOLS ? "string[]"
                      : f->type == CONTROL_FIELD_TIME    ? "time"
                                                         : "integer");
    }
    if (f->nullable) {
        buf_lit(out, "|null");
    }
    return buf_cstr(out);
}

static const struct control_field *field_of(enum control_kind kind, const char *member)
{
    for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
        if (control_fields[i].kind == kind && strcmp(control_fields[i].member, member) == 0) {
            return &control_fields[i];
        }
    }
    return NULL;
}

/* --- bodies ------------------------------------------------------------------------------------
 */

static const struct {
    const char *symbol;
    enum control_kind kind;
    bool until;
    const char *members;
} bodies[] = {
#define BODY_AS_ROW(sym, kind, from, until, members) {#sym, CONTROL_KIND_##kind, until, members},
    CONTROL_BODIES(BODY_AS_ROW)};

/* Members that are no field of the value name targets. */
static void add_target(struct draft *d, const char *name)
{
    bool list = strcmp(name, "symbols") == 0;

    add(d, name, true, list ? "string[]" : "string",
        list                         ? "either these or `scope`"
        : strcmp(name, "asset") == 0 ? "left out: all"
                                     : "of the switch: global (when left out), order_entry, "
                                       "adapter:ID; of modes: all, group:NAME");
}

static void add_own(struct draft *d, unsigned body)
{
    const char *at = bodies[body].members;
    struct buf type = {0};

    while (*at != '\0') {
        size_t len = strcspn(at, " ");
        char name[TEXT_MAX];
        const struct control_field *f;

        (void)snprintf(name, sizeof name, "%.*s", (int)len, at);
        f = field_of(bodies[body].kind, name);
        if (f == NULL) {
            add_target(d, name);
        } else {
            bool optional = body == CONTROL_BODY_RELEASE ||
                            (f->nullable && bodies[body].kind == CONTROL_KIND_FANOUT);

            add(d, name, optional, type_of(f, &type), f->allowed);
        }
        at += len + (at[len] == ' ');
    }
    buf_fini(&type);
}

static void put_bodies(struct buf *out, const char **comma)
{
    struct draft d = {0};
    char text[TEXT_MAX];

    for (unsigned i = 0; i < GW_LEN(bodies); i++) {
        name_schema(&d, "+Body", bodies[i].symbol);
        add_own(&d, i);
        (void)snprintf(text, sizeof text, "string(%d..%d)", CONTROL_REASON_LEAST,
                       CONTROL_REASON_MOST);
        add(&d, "reason", false, text, "why, for the audit log");
        (void)snprintf(text, sizeof text, "string(0..%d)|null", CONTROL_TICKET_MOST);
        add(&d, "ticket", true, text, "where it was decided; loosening needs one");
        (void)snprintf(text, sizeof text, "string(0..%d)|null", CONTROL_INCIDENT_MOST);
        add(&d, "incident", true, text, "");
        add(&d, "confirm", true, "string|null",
            "what was typed: `confirm` of the dry run, exactly; none: nobody typed");
        if (bodies[i].until) {
            add(&d, "until", true, "time|null", "when a decision is due; nothing opens by itself");
        }
        print(&d, out, comma);
    }
}

/* --- resources ---------------------------------------------------------------------------------
 */

static void put_cells(struct buf *out, const char **comma)
{
#define KIND_NAME(sym, ...) #sym,
    static const char *const names[] = {CONTROL_KINDS(KIND_NAME)};
    struct draft d = {0};
    struct buf type = {0};
    struct buf any = {0};

    for (unsigned kind = 0; kind < CONTROL_KIND_COUNT; kind++) {
        name_schema(&d, "Cell", names[kind]);
        buf_printf(&any, "%s%s", kind != 0 ? "|" : "", d.schema);
        buf_reset(&type);
        buf_printf(&type, "'%s'", control_kind_rows[kind].word);
        add(&d, "kind", false, buf_cstr(&type), control_kind_rows[kind].help);
        add(&d, "target", false, "string", "");
        for (unsigned i = 0; i < CONTROL_FIELD_COUNT; i++) {
            const struct control_field *f = &control_fields[i];

            if (f->kind == kind) {
                add(&d, f->member, false, type_of(f, &type), f->allowed);
            }
        }
        add(&d, "reason", false, "string|null", "");
        add(&d, "ticket", false, "string|null", "");
        add(&d, "by", false, "string|null", "");
        add(&d, "approved_by", false, "string|null", "");
        add(&d, "since", false, "time|null", "");
        add(&d, "until", false, "time|null", "");
        add(&d, "decision_due", false, "boolean", "");
        add(&d, "version", false, "integer", "its ETag; 0: never set");
        add(&d, "audit", false, "integer|null", "number in the chain");
        add(&d, "trigger", false, "string|null", "what made somebody act");
        print(&d, out, comma);
    }
    (void)snprintf(d.schema, TEXT_MAX, "Cell");
    add(&d, "=", false, buf_cstr(&any), "one resource of the control state");
    print(&d, out, comma);
    buf_fini(&type);
    buf_fini(&any);
}

static void put_entry(struct buf *out, const char **comma)
{
    struct draft d = {0};

    (void)snprintf(d.schema, TEXT_MAX, "AuditEntry");
    for (unsigned i = 0; i < AUDIT_FIELD_COUNT; i++) {
        const struct audit_field *f = &audit_fields[i];

        add(&d, f->name, false,
            f->kind == AUDIT_NUMBER ? "integer"
            : f->kind == AUDIT_JSON ? "any"
                                    : "string",
            f->help);
    }
    add(&d, "time", false, "time", "");
    add(&d, "prev_hash", false, "string", "of the entry before");
    add(&d, "hash", false, "string", "");
    print(&d, out, comma);
}

void shape_control_schemas(struct buf *out, const char **comma)
{
    put_bodies(out, comma);
    put_cells(out, comma);
    put_entry(out, comma);
}
