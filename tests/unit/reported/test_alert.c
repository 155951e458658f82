/* Alertmanager's bodies: every leniency, and a hundred thousand mutations of a real one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include "gateway/base/buf.h"
#include "gateway/reported/alert.h"
#include "gateway/runtime/json.h"

#define S   ((int64_t)1000000000)
#define NOW (1763730000 * S)

/* As Alertmanager 0.25 sends it, one firing and one resolved. */
static const char real[] =
    "{\"receiver\":\"portcullis\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\","
    "\"labels\":"
    "{\"alertname\":\"BusLag\",\"component\":\"bus\",\"playbook\":\"bus_lag\",\"severity\":"
    "\"critical\","
    "\"symbol\":\"BTC/USD\"},\"annotations\":{\"description\":\"by an hour\\nor more\",\"summary\":"
    "\"the bus is behind\"},\"startsAt\":\"2025-11-21T12:58:31.123456789Z\",\"endsAt\":"
    "\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://prometheus/graph\",\"fingerprint\":"
    "\"b7ed39ddf74f7dc6\"},{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Old\",\"severity\":"
    "\"warning\"},\"annotations\":{},\"startsAt\":\"2025-11-21T13:58:31.5+01:00\",\"endsAt\":"
    "\"2025-11-21T13:00:00Z\",\"generatorURL\":\"\",\"fingerprint\":\"c1\"}],\"groupLabels\":"
    "{\"alertname\":\"BusLag\"},\"commonLabels\":{},\"commonAnnotations\":{},\"externalURL\":"
    "\"http://alertmanager:9093\",\"version\":\"4\",\"groupKey\":\"{}:{alertname=\\\"BusLag\\\"}\","
    "\"truncatedAlerts\":0,\"notification_reason\":\"first "
    "notification\",\"routeLabels\":{\"a\":\"b\"}}";

static struct alerts decode(const char *text)
{
    struct alerts a;

    assert_int_equal(alerts_decode(text, strlen(text), NOW, &a), ALERTS_READ);
    return a;
}

static void a_real_body(void **state)
{
    struct alerts a = decode(real);
    struct incident_signal s;

    (void)state;
    assert_int_equal(a.count, 2);
    assert_int_equal(a.skipped, 0);
    s = alert_signal(&a.v[0]);
    assert_string_equal(s.key, "alert:b7ed39ddf74f7dc6:2025-11-21T12:58:31.123456Z");
    assert_false(s.cleared);
    assert_int_equal(s.severity, SEV1);
    assert_string_equal(s.title, "the bus is behind");
    assert_string_equal(s.summary, "by an hour\nor more");
    assert_string_equal(s.playbook, "bus_lag");
    assert_string_equal(s.symbol, "BTC/USD");
    assert_string_equal(s.component, "bus");
    assert_string_equal(s.source, "alert");
    assert_true(a.v[0].ends_ns == 0);
    assert_non_null(strstr(s.details, "\"generator_url\":\"http://prometheus/graph\""));
    assert_non_null(strstr(s.details, "\"external_url\":\"http://alertmanager:9093\""));
    s = alert_signal(&a.v[1]);
    assert_string_equal(s.key,
                        "alert:c1:2025-11-21T12:58:31.500000Z"); /* the offset is taken off */
    assert_true(s.cleared);
    assert_int_equal(s.severity, SEV3);
    assert_string_equal(s.title, "Old");
    assert_string_equal(s.summary, "");
    assert_true(s.at_ns == 1763730000 * S);
    alerts_fini(&a);
}

/* What is no JSON, and nothing else, is refused. */
static void forms(void **state)
{
    static const char *const none[] = {"",
                                       "{",
                                       "}",
                                       "nul",
                                       "{\"a\":}",
                                       "[1,2",
                                       "{\"a\":1}x",
                                       "\xff",
                                       "{'a':1}",
                                       "\"\\ud800\"",
                                       "// {}",
                                       "{\"\x01\":1}",
                                       "{\"a\\u0000\":1}"};
    static const struct {
        const char *text;
        size_t count, skipped;
    } taken[] = {
        {"null", 0, 0},
        {"7", 0, 0},
        {"\"x\"", 0, 0},
        {"[]", 0, 0},
        {"{}", 0, 0},
        {" {\"alerts\":null} ", 0, 0},
        {"{\"alerts\":{\"0\":{}}}", 0, 0},
        {"{\"alerts\":[1,\"x\",null,[],{},{\"labels\":7},{\"labels\":{}}]}", 0, 7},
        {"[{\"labels\":{\"alertname\":\"x\"}}]", 1, 0}, /* the list alone, as API v2 has it */
        {"{\"alerts\":[],\"alerts\":[{\"fingerprint\":\"f\"}]}", 1, 0},
        {"{\"truncatedAlerts\":999999999999999999999999,\"alerts\":[{\"fingerprint\":\"f\"}]}", 1,
         0},
        {"{\"alerts\":[{\"annotations\":{\"summary\":\"only that\"}}]}", 1, 0},
        {"{\"alerts\":[{\"labels\":{\"a\":\"c\\u0000d\",\"n\":5}}]}", 1, 0},
        {"{\"alerts\":[{\"labels\":{\"a\":\"b\"},\"startsAt\":5,\"endsAt\":[],\"status\":{}}]}", 1,
         0},
        {"{\"version\":\"99\",\"alerts\":[{\"labels\":{\"a\":\"b\"},\"new\":{\"deep\":[[[]]]}}]}",
         1, 0},
    };
    struct alerts a;

    (void)state;
    for (unsigned i = 0; i < GW_LEN(none); i++) {
        if (alerts_decode(none[i], strlen(none[i]), NOW, &a) != ALERTS_UNREADABLE) {
            fail_msg("%s was taken", none[i]);
        }
        assert_int_equal(a.count, 0);
        alerts_fini(&a);
    }
    for (unsigned i = 0; i < GW_LEN(taken); i++) {
        a = decode(taken[i].text);
        if (a.count != taken[i].count || a.skipped != taken[i].skipped) {
            fail_msg("%s: %zu taken, %zu skipped", taken[i].text, a.count, a.skipped);
        }
        alerts_fini(&a);
    }
}

static struct alert *one(struct alerts *a, const char *members)
{
    char text[2048];

    (void)snprintf(text, sizeof text, "{\"status\":\"resolved\",\"alerts\":[{%s}]}", members);
    *a = decode(text);
    assert_int_equal(a->count, 1);
    return &a->v[0];
}

static void states_and_times(void **state)
{
    static const struct {
        const char *members;
        bool firing;
        const char *starts; /* end of the key */
    } rows[] = {
        {"\"fingerprint\":\"f\",\"status\":\"firing\",\"startsAt\":\"2025-11-21T12:00:00Z\"", true,
         ":2025-11-21T12:00:00.000000Z"},
        {"\"fingerprint\":\"f\",\"status\":\"Resolved\",\"startsAt\":\"2025-11-21t12:00:00z\"",
         false, ":2025-11-21T12:00:00.000000Z"},
        {"\"fingerprint\":\"f\",\"startsAt\":\"2025-11-21T12:00:00-05:30\"",
         false, /* the body's word */
         ":2025-11-21T17:30:00.000000Z"},
        {"\"fingerprint\":\"f\",\"status\":\"pending\"", true, ":1970-01-01T00:00:00.000000Z"},
        {"\"fingerprint\":\"f\",\"status\":\"firing\",\"endsAt\":\"2025-11-21T12:00:00Z\"", true,
         ":1970-01-01T00:00:00.000000Z"},
        {"\"fingerprint\":\"f\",\"startsAt\":\"0001-01-01T00:00:00Z\"", false,
         ":1970-01-01T00:00:00.000000Z"},
        {"\"fingerprint\":\"f\",\"startsAt\":\"yesterday, at about noon\"", false,
         ":1970-01-01T00:00:00.000000Z"},
        {"\"fingerprint\":\"f\",\"startsAt\":\"2025-11-21T12:00:00.1234567890123Z\"", false,
         ":2025-11-21T12:00:00.123456Z"},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        struct alerts a;
        struct alert *v = one(&a, rows[i].members);

        assert_int_equal(v->firing, rows[i].firing);
        assert_string_equal(v->key + strlen("alert:f"), rows[i].starts);
        assert_true(v->firing == (v->ends_ns == 0));
        alerts_fini(&a);
    }
}

static void severities(void **state)
{
    static const struct {
        const char *labels;
        enum incident_severity severity;
    } rows[] = {
        {"\"severity\":\"critical\"", SEV1},
        {"\"severity\":\"warning\"", SEV3},
        {"\"severity\":\"info\"", SEV4},
        {"\"severity\":\"P1\"", SEV2},
        {"\"sev\":\"SEV2\"", SEV2},
        {"\"sev\":\"4\"", SEV4},
        {"\"sev\":\"9\"", SEV3},
        {"\"severity\":\"page\"", SEV3},
        {"\"x\":\"y\"", SEV3},
        {"\"sev\":\"sev2\",\"severity\":\"info\"", SEV2},
        {"\"sev\":\"?\",\"severity\":\"critical\"", SEV1},
    };

    (void)state;
    for (unsigned i = 0; i < GW_LEN(rows); i++) {
        struct alerts a;
        char members[256];

        (void)snprintf(members, sizeof members, "\"labels\":{%s}", rows[i].labels);
        assert_int_equal(one(&a, members)->severity, rows[i].severity);
        alerts_fini(&a);
    }
}

static void identity(void **state)
{
    struct alerts a;
    struct alert *v;

    (void)state;
    /* FNV-1a 64 over the sorted labels, as prometheus/common computes it */
    v = one(&a, "\"labels\":{\"b\":\"2\",\"a\":\"1\"}");
    assert_int_equal(strlen(v->fingerprint), 16);
    {
        struct alerts b;
        struct alert *w = one(&b, "\"labels\":{\"a\":\"1\",\"b\":\"2\"}");

        assert_string_equal(v->key, w->key);
        alerts_fini(&b);
        w = one(&b, "\"labels\":{\"a\":\"12\",\"b\":\"\"}");
        assert_string_not_equal(v->key, w->key);
        alerts_fini(&b);
    }
    alerts_fini(&a);
    /* of two of one key the later counts, whatever stands between */
    a = decode("{\"alerts\":[{\"fingerprint\":\"f\",\"status\":\"firing\"},{\"fingerprint\":\"g\"},"
               "{\"fingerprint\":\"f\",\"status\":\"resolved\"}]}");
    assert_int_equal(a.count, 2);
    assert_string_equal(a.v[0].fingerprint, "f");
    assert_false(a.v[0].firing);
    alerts_fini(&a);
}

static void texts_are_bounded(void **state)
{
    struct buf text = {0};
    struct alerts a;

    (void)state;
    buf_lit(&text,
            "{\"alerts\":[{\"labels\":{\"playbook\":\"has space\",\"component\":\"quote\\\"\"},"
            "\"fingerprint\":\"a b\",\"annotations\":{\"summary\":\"one\\ntwo ");
    for (unsigned i = 0; i < 500; i++) {
        buf_puts(&text, "\xc3\xa9");
    }
    buf_lit(&text, "\",\"description\":\"");
    for (unsigned i = 0; i < 5000; i++) {
        buf_puts(&text, "\xf0\x9f\x98\x80");
    }
    buf_lit(&text, "\"}}]}");
    a = decode(buf_cstr(&text));
    assert_int_equal(a.count, 1);
    assert_int_equal(strncmp(a.v[0].title, "one two \xc3\xa9", 10), 0);
    assert_int_equal(strlen(a.v[0].title), 8 + 2 * (200 - 8));
    assert_int_equal(strlen(a.v[0].summary), 4 * 2000);
    assert_string_equal(a.v[0].playbook, "");
    assert_string_equal(a.v[0].component, "");
    assert_int_equal(strlen(a.v[0].fingerprint), 16); /* what is no word is computed */
    alerts_fini(&a);

    buf_reset(&text);
    buf_lit(&text, "{\"alerts\":[");
    for (unsigned i = 0; i <= ALERTS_MAX; i++) {
        buf_printf(&text, "%s{\"fingerprint\":\"%u\"}", i != 0 ? "," : "", i);
    }
    buf_lit(&text, "]}");
    assert_int_equal(alerts_decode(text.data, text.len, NOW, &a), ALERTS_TOO_MANY);
    assert_int_equal(a.count, 0);
    alerts_fini(&a);
    buf_fini(&text);
}

/* Whatever comes out holds its bounds, and its content is JSON. */
static void check(const struct alerts *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct alert *v = &a->v[i];
        json_error_t error;
        json_t *content = json_loads(v->content, 0, &error);

        assert_true(json_is_object(content));
        json_decref(content);
        assert_true(v->title[0] != '\0' && strlen(v->title) < sizeof v->title);
        assert_true(strncmp(v->key, "alert:", 6) == 0 && v->fingerprint[0] != '\0');
        assert_true(i == 0 || strcmp(a->v[i - 1].key, v->key) < 0);
        assert_true(v->firing == (v->ends_ns == 0));
    }
}

static void mutations(void **state)
{
    char text[sizeof real + 8];
    uint64_t seed = 0x9e3779b97f4a7c15;
    unsigned read = 0;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        size_t len = sizeof real - 1;
        struct alerts a;

        memcpy(text, real, sizeof real);
        for (unsigned k = 0; k <= i % 4; k++) {
            size_t at;

            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            at = (size_t)(seed >> 33) % len;
            switch (seed >> 60) {
            case 0:
                len = at + 1; /* cut off */
                break;
            case 1:
            case 2:
                memmove(text + at, text + at + 1, len - at - 1);
                len -= len > 1;
                break;
            case 3:
            case 4:
                text[at] = "\"{}[],:\\0nte\x7f\xc3"[(seed >> 40) % 14];
                break;
            default:
                text[at] = (char)(seed >> 48);
            }
        }
        read += alerts_decode(text, len, NOW, &a) == ALERTS_READ;
        check(&a);
        alerts_fini(&a);
    }
    assert_in_range(read, 10000, 99999); /* the mutations are neither all fatal nor all harmless */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_real_body),      cmocka_unit_test(forms),
        cmocka_unit_test(states_and_times), cmocka_unit_test(severities),
        cmocka_unit_test(identity),         cmocka_unit_test(texts_are_bounded),
        cmocka_unit_test(mutations),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
