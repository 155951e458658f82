#include "gateway/paging/body.h"

#include <inttypes.h>
#include <string.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define BODY_FORMAT_AS_WORD(sym, word) word,
const char *const body_format_words[BODY_FORMAT_COUNT] = {BODY_FORMATS(BODY_FORMAT_AS_WORD)};

#define TEST_KEY "portcullis-test"

bool body_format_parse(const char *word, enum body_format *out)
{
    for (unsigned i = 0; i < BODY_FORMAT_COUNT; i++) {
        if (strcmp(word, body_format_words[i]) == 0) {
            *out = (enum body_format)i;
            return true;
        }
    }
    return false;
}

/* By which a receiver tells incidents apart. */
static const char *key_of(const struct page *p)
{
    return p->incident[0] != '\0' ? p->incident : TEST_KEY;
}

static void put_member(struct buf *out, const char *lead, const char *name, const char *value)
{
    buf_printf(out, "%s\"%s\":", lead, name);
    buf_json_str(out, value, strlen(value));
}

/* Those that are not "". */
static void put_optional(struct buf *out, const struct page *p)
{
    const struct {
        const char *name;
        const char *value;
    } members[] = {{"list", p->list},
                   {"symbol", p->symbol},
                   {"component", p->component},
                   {"class", p->class_},
                   {"playbook", p->playbook}};

    for (unsigned i = 0; i < GW_LEN(members); i++) {
        if (members[i].value[0] != '\0') {
            put_member(out, ",", members[i].name, members[i].value);
        }
    }
}

static void put_time(struct buf *out, const char *lead, const char *name, int64_t ns)
{
    buf_printf(out, "%s\"%s\":\"", lead, name);
    buf_rfc3339(out, ns, 6);
    buf_putc(out, '"');
}

/* --- Alertmanager's webhook, version 4 ---------------------------------------------------------
 */

/* As Alertmanager makes it, over the labels that identify the alert: they are the same in all pages of
 * an incident. */
static uint64_t fingerprint(const char *key)
{
    const char *const parts[] = {
        "alertname", "\xff", "PortcullisIncident", "\xff", "incident", "\xff", key, "\xff"};
    uint64_t h = UINT64_C(14695981039346656037);

    for (unsigned i = 0; i < GW_LEN(parts); i++) {
        for (const unsigned char *s = (const unsigned char *)parts[i]; *s != '\0'; s++) {
            h = (h ^ *s) * UINT64_C(1099511628211);
        }
    }
    return h;
}

static void put_labels(struct buf *out, const struct page *p)
{
    static const char *const severities[SEVERITY_COUNT] = {
        [SEV1] = "critical", [SEV2] = "critical", [SEV3] = "warning", [SEV4] = "info"};

    put_member(out, "{", "alertname", "PortcullisIncident");
    put_member(out, ",", "incident", key_of(p));
    put_member(out, ",", "severity", severities[p->severity]);
    put_member(out, ",", "sev", severity_rows[p->severity].word);
    put_optional(out, p);
    buf_putc(out, '}');
}

static void put_annotations(struct buf *out, const struct body_page *b)
{
    put_member(out, "{", "summary", b->page->title);
    if (b->page->summary[0] != '\0') {
        put_member(out, ",", "description", b->page->summary);
    }
    put_member(out, ",", "event", page_kind_words[b->page->kind]);
    buf_printf(out, ",\"level\":\"%u\"", b->page->level);
    put_member(out, ",", "page", b->uid);
    buf_putc(out, '}');
}

static void print_alertmanager(const struct body_options *opt, const struct body_page *b,
                               struct buf *out)
{
    const struct page *p = b->page;
    const char *status = p->kind == PAGE_RESOLVE ? "resolved" : "firing";
    struct buf group = {0};

    buf_printf(&group, "{}:{incident=\"%s\"}", key_of(p));
    put_member(out, "{", "version", "4");
    buf_lit(out, ",\"groupKey\":");
    buf_json_str(out, group.data, group.len);
    buf_printf(out, ",\"truncatedAlerts\":0,\"status\":\"%s\"", status);
    put_member(out, ",", "receiver", "portcullis");
    put_member(out, ",\"groupLabels\":{", "incident", key_of(p));
    buf_lit(out, "},\"commonLabels\":");
    put_labels(out, p);
    buf_lit(out, ",\"commonAnnotations\":");
    put_annotations(out, b);
    buf_reset(&group);
    buf_printf(&group, "https://%s", opt->source);
    put_member(out, ",", "externalURL", buf_cstr(&group));
    buf_printf(out, ",\"alerts\":[{\"status\":\"%s\",\"labels\":", status);
    put_labels(out, p);
    buf_lit(out, ",\"annotations\":");
    put_annotations(out, b);
    put_time(out, ",", "startsAt", b->since_ns);
    if (p->kind == PAGE_RESOLVE) {
        put_time(out, ",", "endsAt", p->at_ns);
    } else {
        put_member(out, ",", "endsAt", "0001-01-01T00:00:00Z");
    }
    buf_printf(out, ",\"generatorURL\":\"\",\"fingerprint\":\"%016" PRIx64 "\"}]}",
               fingerprint(key_of(p)));
    buf_fini(&group);
}

/* --- PagerDuty's events, version 2 ------------------------------------------------------------- */

/* At most MOST bytes, cut between characters. */
static void put_cut(struct buf *out, const char *text, size_t most)
{
    size_t len = strlen(text);

    if (len > most) {
        len = most;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    buf_json_str(out, text, len);
}

static void print_pagerduty(const struct body_options *opt, const struct body_page *b,
                            struct buf *out)
{
    static const char *const severities[SEVERITY_COUNT] = {
        [SEV1] = "critical", [SEV2] = "error", [SEV3] = "warning", [SEV4] = "info"};
    const struct page *p = b->page;
    const char *action = p->kind == PAGE_RESOLVE       ? "resolve"
                         : p->kind == PAGE_ACKNOWLEDGE ? "acknowledge"
                                                       : "trigger";
    struct buf summary = {0};

    put_member(out, "{", "routing_key", opt->routing_key);
    put_member(out, ",", "event_action", action);
    put_member(out, ",", "dedup_key", key_of(p));
    buf_printf(&summary, "[%s] %s", severity_rows[p->severity].word, p->title);
    buf_lit(out, ",\"payload\":{\"summary\":");
    put_cut(out, buf_cstr(&summary), 1024);
    put_member(out, ",", "source", opt->source);
    put_member(out, ",", "severity", p->kind == PAGE_TEST ? "info" : severities[p->severity]);
    put_time(out, ",", "timestamp", p->at_ns);
    if (p->component[0] != '\0') {
        put_member(out, ",", "component", p->component);
    }
    put_member(out, ",", "group", p->list);
    if (p->class_[0] != '\0') {
        put_member(out, ",", "class", p->class_);
    }
    put_member(out, ",\"custom_details\":{", "event", page_kind_words[p->kind]);
    put_member(out, ",", "incident", p->incident);
    put_member(out, ",", "sev", severity_rows[p->severity].word);
    buf_printf(out, ",\"level\":%u", p->level);
    put_member(out, ",", "description", p->summary);
    put_member(out, ",", "page", b->uid);
    put_optional(out, p);
    buf_lit(out, "}},\"client\":\"Portcullis\"}");
    buf_fini(&summary);
}

static void print_generic(const struct body_options *opt, const struct body_page *b,
                          struct buf *out)
{
    const struct page *p = b->page;

    put_member(out, "{", "page", b->uid);
    put_member(out, ",", "event", page_kind_words[p->kind]);
    put_member(out, ",", "dedup_key", key_of(p));
    put_member(out, ",", "incident", p->incident);
    put_member(out, ",", "severity", severity_rows[p->severity].word);
    buf_printf(out, ",\"level\":%u", p->level);
    put_member(out, ",", "title", p->title);
    put_member(out, ",", "summary", p->summary);
    put_optional(out, p);
    put_time(out, ",", "since", b->since_ns);
    put_time(out, ",", "at", p->at_ns);
    put_member(out, ",", "source", opt->source);
    buf_putc(out, '}');
}

void body_print(const struct body_options *opt, const struct body_page *b, struct buf *out)
{
    switch (opt->format) {
    case BODY_ALERTMANAGER:
        print_alertmanager(opt, b, out);
        break;
    case BODY_PAGERDUTY:
        print_pagerduty(opt, b, out);
        break;
    case BODY_GENERIC:
        print_generic(opt, b, out);
        break;
    case BODY_FORMAT_COUNT:
        GW_UNREACHABLE("no format");
    }
}

void body_sign(const char *secret, size_t secret_len, int64_t at_s, const struct buf *body,
               struct buf *out)
{
    struct buf text = {0};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    buf_i64(&text, at_s);
    buf_putc(&text, '.');
    buf_append(&text, body->data, body->len);
    GW_ASSERT(HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)text.data,
                   text.len, mac, &len) != NULL);
    buf_printf(out, "portcullis-signature: t=%" PRId64 ",v1=", at_s);
    for (unsigned i = 0; i < len; i++) {
        buf_printf(out, "%02x", mac[i]);
    }
    buf_fini(&text);
}
