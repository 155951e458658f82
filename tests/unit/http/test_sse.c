/* The event hub and streamed answers over real sockets. */
#include "sse_fixture.h"

static void publish(struct site *site, unsigned from, unsigned to)
{
    for (unsigned i = from; i <= to; i++) {
        char id[16];
        char data[64];
        int len = snprintf(data, sizeof data, "{\"n\":%u}", i);

        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(sse_publish(site->hub, id, "audit", data, (size_t)len), GW_OK);
    }
}

/* What a reader gets of events FROM to TO, after HEAD. */
static char *expected(const char *head, unsigned from, unsigned to)
{
    struct buf text = {0};

    buf_puts(&text, head);
    for (unsigned i = from; i <= to; i++) {
        buf_printf(&text, "id: %u\nevent: audit\ndata: {\"n\":%u}\n\n", i, i);
    }
    buf_putc(&text, '\0');
    return buf_steal(&text, &(size_t){0});
}

static void expect_events(const struct client *c, const char *head, unsigned from, unsigned to)
{
    char *want = expected(head, from, to);

    client_expect(c, want, false);
    free(want);
}

static void fresh_readers(void **state)
{
    struct client c[2];
    struct site site;

    (void)state;
    site_open(&site, &usual);
    client_connect(&c[0], http_server_port(site.server), 0);
    client_get(&c[0], "/events", NULL);
    UNTIL(c, 1, client_has(&c[0], "retry"));
    assert_non_null(strstr(c[0].in.data, "HTTP/1.1 200 OK\r\n"));
    buf_putc(&c[0].in, '\0');
    c[0].in.len--;
    assert_non_null(strcasestr(c[0].in.data, "\r\ncontent-type: text/event-stream\r\n"));
    assert_non_null(strcasestr(c[0].in.data, "\r\ncache-control: no-store\r\n"));
    assert_non_null(strcasestr(c[0].in.data, "\r\nconnection: close\r\n"));
    assert_int_equal(sse_streams(site.hub), 1);
    assert_int_equal(scraped("http_streams "), 1);
    publish(&site, 1, 3);
    client_connect(&c[1], http_server_port(site.server), 0);
    client_get(&c[1], "/events", NULL); /* sees what comes from now on, and knows where that is */
    UNTIL(c, 2, client_has(&c[1], "retry"));
    publish(&site, 4, 5);
    UNTIL(c, 2, client_has(&c[0], "{\"n\":5}") && client_has(&c[1], "{\"n\":5}"));
    expect_events(&c[0], "retry: 3000\n\n", 1, 5);
    expect_events(&c[1], "retry: 3000\nid: 3\n\n", 4, 5);
    client_close(&c[0]);
    client_close(&c[1]);
    (void)site_close(&site, NULL, 0);
}

static void resumed_exactly(void **state)
{
    struct site_options o = usual;
    struct client c[5];
    struct site site;

    (void)state;
    o.ring_events = 10;
    site_open(&site, &o);
    publish(&site, 1, 20); /* 11 to 20 are kept */
    for (int i = 0; i < 5; i++) {
        static const char *const last[] = {"14", "20", "11", "10", "x y\ta"};

        client_connect(&c[i], http_server_port(site.server), 0);
        client_get(&c[i], "/events", last[i]);
    }
    UNTIL(c, 5, sse_streams(site.hub) == 5);
    publish(&site, 21, 22);
    for (int i = 0; i < 5; i++) {
        UNTIL(c, 5, client_has(&c[i], "{\"n\":22}"));
    }
    expect_events(&c[0], "retry: 3000\n\n", 15, 22);
    expect_events(&c[1], "retry: 3000\n\n", 21, 22);
    expect_events(&c[2], "retry: 3000\n\n", 12, 22);
    expect_events(&c[3], "retry: 3000\nid: 20\nevent: reset\ndata: {\"newest\":\"20\"}\n\n", 21,
                  22);
    expect_events(&c[4], "retry: 3000\nid: 20\nevent: reset\ndata: {\"newest\":\"20\"}\n\n", 21,
                  22);
    assert_int_equal(scraped("sse_opened_total{how=\"reset\"} "), 2);
    assert_int_equal(scraped("sse_opened_total{how=\"resumed\"} "), 3);
    for (int i = 0; i < 5; i++) {
        client_close(&c[i]);
    }
    (void)site_close(&site, NULL, 0);
}

/* After a restart the ring is empty, but who has seen all has missed nothing. */
static void resumed_after_a_restart(void **state)
{
    struct client c[3];
    struct site site;

    (void)state;
    site_open(&site, &usual);
    assert_int_equal(sse_set_head(site.hub, "42"), GW_OK);
    assert_int_equal(sse_publish(site.hub, NULL, "stats", "{}", 2), GW_OK);
    for (int i = 0; i < 3; i++) {
        static const char *const last[] = {"42", "41", ""};

        client_connect(&c[i], http_server_port(site.server), 0);
        client_get(&c[i], "/events", last[i]);
        UNTIL(c, (size_t)i + 1, client_has(&c[i], "retry"));
    }
    publish(&site, 43, 43);
    for (int i = 0; i < 3; i++) {
        UNTIL(c, 3, client_has(&c[i], "{\"n\":43}"));
    }
    expect_events(&c[0], "retry: 3000\n\nevent: stats\ndata: {}\n\n", 43, 43);
    expect_events(&c[1], "retry: 3000\nid: 42\nevent: reset\ndata: {\"newest\":\"42\"}\n\n", 43,
                  43);
    expect_events(&c[2], "retry: 3000\nid: 42\n\n", 43, 43);
    for (int i = 0; i < 3; i++) {
        client_close(&c[i]);
    }
    (void)site_close(&site, NULL, 0);
}

static void what_is_not_published(void **state)
{
    static char big[SSE_DATA_MAX + 1];
    struct site site;

    (void)state;
    memset(big, 'x', sizeof big);
    site_open(&site, &usual);
    assert_int_equal(sse_publish(site.hub, "1", "a", "{\n}", 3), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1", "a", "{\r}", 3), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1", "a", "{\0}", 3), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1\n2", "a", "{}", 2), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1 2", "a", "{}", 2), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "", "a", "{}", 2), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1", "a\nb", "{}", 2), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1", "", "{}", 2), GW_EINVAL);
    assert_int_equal(sse_publish(site.hub, "1", "a", big, sizeof big), GW_ETOOBIG);
    assert_int_equal(sse_set_head(site.hub, "a b"), GW_EINVAL);
    assert_string_equal(sse_head(site.hub), "");
    assert_int_equal(sse_publish(site.hub, "1", "a", big, sizeof big - 1), GW_OK);
    assert_int_equal(sse_publish(site.hub, "1", "a", "{}", 2), GW_EDUP);
    assert_string_equal(sse_head(site.hub), "1");
    (void)site_close(&site, NULL, 0);
}

/* N events of LEN bytes of data. */
static void publish_big(struct site *site, unsigned from, unsigned n, size_t len)
{
    static char data[SSE_DATA_MAX];

    memset(data, 'd', len);
    for (unsigned i = from; i < from + n; i++) {
        char id[16];

        snprintf(id, sizeof id, "%u", i);
        assert_int_equal(sse_publish(site->hub, id, "audit", data, len), GW_OK);
    }
}

static unsigned count_of(const struct client *c, const char *text)
{
    size_t len;
    bool whole;
    char *body = client_body(c, &len, &whole);
    unsigned n = 0;

    for (const char *p = strstr(body, text); p != NULL; p = strstr(p + 1, text)) {
        n++;
    }
    free(body);
    return n;
}

/* One reader stands still: it loses its place and is cut; the others get all of it meanwhile. */
static void slow_reader(void **state)
{
    struct client c[4];
    struct site site;
    size_t len;
    bool whole;

    (void)state;
    site_open(&site, &usual);
    for (int i = 0; i < 4; i++) {
        client_connect(&c[i], http_server_port(site.server), i == 0 ? 4096 : 0);
        client_get(&c[i], "/events", NULL);
    }
    UNTIL(c, 4, sse_streams(site.hub) == 4);
    c[0].reading = false;
    for (unsigned i = 0; i < 400; i++) { /* 8 MB: more than all buffers and the ring hold */
        publish_big(&site, 1 + i, 1, 20000);
        turn(c, 4);
        turn(c, 4);
    }
    for (int i = 1; i < 4; i++) {
        UNTIL(c, 4, count_of(&c[i], "event: audit") == 400);
        assert_false(c[i].over);
    }
    UNTIL(c, 4, sse_streams(site.hub) == 3);
    assert_int_equal(metrics_get(site.metrics, 3, 0), 1); /* sse_cut_total{why="lost_place"} */
    c[0].reading = true;
    UNTIL(c, 4, c[0].over);
    free(client_body(&c[0], &len, &whole));
    assert_false(whole); /* it can see that it was cut */
    assert_true(len < 1 << 20);
    print_message("the slow reader had got %zu of %u bytes\n", len, 400 * 20000);
    for (int i = 0; i < 4; i++) {
        client_close(&c[i]);
    }
    (void)site_close(&site, NULL, 0);
}

/* Too little for the ring to turn over: the time-out of a stalled write ends it. */
static void stalled_reader(void **state)
{
    struct site_options o = usual;
    struct client c[2];
    struct site site;
    int64_t since;

    (void)state;
    o.io_timeout_ms = 500;
    site_open(&site, &o);
    for (int i = 0; i < 2; i++) {
        client_connect(&c[i], http_server_port(site.server), i == 0 ? 4096 : 0);
        client_get(&c[i], "/events", NULL);
    }
    UNTIL(c, 2, sse_streams(site.hub) == 2);
    c[0].reading = false;
    publish_big(&site, 1, 30, 30000);
    since = clock_mono_ns();
    UNTIL(c, 2, sse_streams(site.hub) == 1);
    since = clock_mono_ns() - since;
    print_message("cut after %.1f s\n", (double)since / 1e9);
    assert_in_range(since, 400 * MS, 4 * SECOND);
    UNTIL(c, 2, count_of(&c[1], "event: audit") == 30);
    run_for(c, 2, 2 * SECOND); /* an idle reader is not a stalled one */
    assert_int_equal(sse_streams(site.hub), 1);
    client_close(&c[0]);
    client_close(&c[1]);
    (void)site_close(&site, NULL, 0);
}

/* However a reader goes, it is noticed without anything being sent. */
static void readers_leave(void **state)
{
    struct client c[3];
    struct site site;

    (void)state;
    site_open(&site, &usual);
    for (int how = 0; how < 3; how++) {
        struct linger hard = {1, 0};

        client_connect(&c[how], http_server_port(site.server), 0);
        client_get(&c[how], "/events", NULL);
        UNTIL(&c[how], 1, sse_streams(site.hub) == 1);
        run_for(&c[how], 1, 20 * MS);
        if (how == 0) {
            client_close(&c[how]);
        } else if (how == 1) {
            setsockopt(c[how].fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            client_close(&c[how]);
        } else {
            shutdown(c[how].fd, SHUT_WR);
        }
        UNTIL(&c[how], how == 2 ? 1 : 0, sse_streams(site.hub) == 0);
    }
    UNTIL(&c[2], 1, c[2].over);
    client_close(&c[2]);
    UNTIL(NULL, 0, scraped("http_streams ") == 0);
    /* in the middle of a write */
    client_connect(&c[0], http_server_port(site.server), 4096);
    client_get(&c[0], "/events", NULL);
    UNTIL(&c[0], 1, sse_streams(site.hub) == 1);
    c[0].reading = false;
    publish_big(&site, 1, 30, 30000);
    run_for(c, 1, 20 * MS);
    client_close(&c[0]);
    UNTIL(NULL, 0, sse_streams(site.hub) == 0 && scraped("http_streams ") == 0);
    (void)site_close(&site, NULL, 0);
}

static void two_hundred_readers(void **state)
{
    enum { READERS = 200, EVENTS = 300 };
    static struct client c[READERS];
    struct site site;
    int64_t since;

    (void)state;
    site_open(&site, &usual);
    for (int i = 0; i < READERS; i++) {
        client_connect(&c[i], http_server_port(site.server), 0);
        client_get(&c[i], "/events", NULL);
    }
    UNTIL(c, READERS, sse_streams(site.hub) == READERS);
    assert_int_equal(scraped("sse_streams "), READERS);
    since = clock_mono_ns();
    for (unsigned i = 1; i <= EVENTS; i++) {
        publish(&site, i, i);
        if (i % 10 == 0) {
            turn(c, READERS);
        }
    }
    UNTIL(c, READERS,
          metrics_get(site.metrics, 2, 0) == READERS * EVENTS &&
              client_has(&c[READERS - 1], "{\"n\":300}"));
    print_message("%u events to %u readers: %.0f ms\n", EVENTS, READERS,
                  (double)(clock_mono_ns() - since) / 1e6);
    for (int i = 0; i < READERS; i++) {
        UNTIL(&c[i], 1, client_has(&c[i], "{\"n\":300}"));
        expect_events(&c[i], "retry: 3000\n\n", 1, EVENTS);
        client_close(&c[i]);
    }
    UNTIL(NULL, 0, sse_streams(site.hub) == 0);
    (void)site_close(&site, NULL, 0);
}

/* A drain ends answers whole, and quickly; one that does not read is cut at the deadline. */
static void drained(void **state)
{
    struct client c[3];
    struct site site;
    int64_t took;

    (void)state;
    site_open(&site, &usual);
    for (int i = 0; i < 3; i++) {
        client_connect(&c[i], http_server_port(site.server), 0);
        client_get(&c[i], i == 2 ? "/raw" : "/events", NULL);
    }
    UNTIL(c, 3, sse_streams(site.hub) == 2 && site.raw != NULL);
    publish(&site, 1, 2);
    took = site_close(&site, c, 3);
    assert_true(took < SECOND);
    UNTIL(c, 3, c[0].over && c[1].over && c[2].over);
    for (int i = 0; i < 2; i++) {
        char *want = expected("retry: 3000\n\n", 1, 2);

        client_expect(&c[i], want, true);
        free(want);
    }
    client_expect(&c[2], "", true);
    assert_int_equal(site.raw_gone, 1);
    assert_int_equal(site.raw_why, HTTP_STREAM_DRAIN);
    for (int i = 0; i < 3; i++) {
        client_close(&c[i]);
    }
}

static void other_ends(void **state)
{
    struct site_options o = usual;
    struct client c[4];
    struct site site;

    (void)state;
    o.max_streams = 2;
    o.heartbeat_ms = 50;
    o.max_age_ms = 2000;
    site_open(&site, &o);
    for (int i = 0; i < 3; i++) {
        client_connect(&c[i], http_server_port(site.server), 0);
        client_get(&c[i], i == 1 ? "/events?owner=session-2" : "/events?owner=session-1", NULL);
        UNTIL(c, (size_t)i + 1, c[i].in.len != 0);
    }
    buf_putc(&c[2].in, '\0');
    assert_non_null(strstr(c[2].in.data, "HTTP/1.1 503 "));
    UNTIL(c, 3, client_has(&c[0], ":\n\n:\n\n")); /* heartbeats */
    assert_int_equal(sse_end_owner(site.hub, "session-2"), 1);
    assert_int_equal(sse_streams(site.hub), 1);
    UNTIL(c, 3, c[1].over);
    assert_false(c[0].over);
    client_connect(&c[3], http_server_port(site.server), 0);
    client_send(&c[3], "HEAD /events HTTP/1.1\r\nHost: a\r\n\r\n");
    UNTIL(c, 4, c[3].in.len != 0);
    assert_int_equal(sse_streams(site.hub), 1);
    c[3].in.len = 0;
    client_get(&c[3], "/plain", NULL); /* on the same connection */
    UNTIL(c, 4, c[3].in.len != 0 && memmem(c[3].in.data, c[3].in.len, "plain", 5) != NULL);
    UNTIL(c, 4, c[0].over); /* of age: whole */
    {
        size_t len;
        bool whole;

        free(client_body(&c[0], &len, &whole));
        assert_true(whole);
    }
    for (int i = 0; i < 4; i++) {
        client_close(&c[i]);
    }
    (void)site_close(&site, NULL, 0);
}

/* Who talks instead of reading; a little (a request behind this one) is only thrown away. */
static void noisy_reader(void **state)
{
    static char noise[5000];
    struct client c;
    struct site site;

    (void)state;
    memset(noise, 'n', sizeof noise - 1);
    site_open(&site, &usual);
    client_connect(&c, http_server_port(site.server), 0);
    client_get(&c, "/events", NULL);
    client_get(&c, "/plain", NULL);
    UNTIL(&c, 1, sse_streams(site.hub) == 1);
    run_for(&c, 1, 20 * MS);
    client_get(&c, "/plain", NULL);
    run_for(&c, 1, 20 * MS);
    publish(&site, 1, 1);
    UNTIL(&c, 1, client_has(&c, "{\"n\":1}"));
    expect_events(&c, "retry: 3000\n\n", 1, 1);
    client_send(&c, noise);
    UNTIL(&c, 1, c.over);
    assert_int_equal(sse_streams(site.hub), 0);
    assert_int_equal(metrics_get(site.metrics, 3, 2), 1);
    client_close(&c);
    (void)site_close(&site, NULL, 0);
}

static void raw_streams(void **state)
{
    static char block[8192];
    struct client c;
    struct site site;
    size_t sent = 0;
    int64_t slow = scraped("http_stream_ends_total{why=\"slow\"} ");

    (void)state;
    memset(block, 'b', sizeof block);
    site_open(&site, &usual);
    client_connect(&c, http_server_port(site.server), 0);
    client_get(&c, "/raw", NULL);
    UNTIL(&c, 1, site.raw_room == 1);
    assert_true(http_stream_idle(site.raw));
    assert_true(http_stream_send(site.raw, "hello", 5));
    assert_false(http_stream_idle(site.raw));
    assert_int_equal(http_stream_room(site.raw), HTTP_STREAM_BUFFER);
    UNTIL(&c, 1, site.raw_room == 2);
    http_stream_end(site.raw);
    UNTIL(&c, 1, c.over);
    client_expect(&c, "hello", true);
    assert_int_equal(site.raw_gone, 0); /* its owner ended it */
    client_close(&c);
    client_connect(&c, http_server_port(site.server), 0);
    client_get(&c, "/raw", NULL);
    UNTIL(&c, 1, site.raw_room == 3);
    while (http_stream_send(site.raw, block, sizeof block)) { /* no turn between: bounded */
        sent += sizeof block;
    }
    assert_int_equal(sent, sizeof block + HTTP_STREAM_BUFFER);
    assert_int_equal(site.raw_gone, 0); /* told by the answer */
    UNTIL(&c, 1, c.over);
    assert_int_equal(scraped("http_stream_ends_total{why=\"slow\"} "), slow + 1);
    client_close(&c);
    /* an old client, without chunks: the end of the connection is the end of the answer */
    client_connect(&c, http_server_port(site.server), 0);
    client_send(&c, "GET /raw HTTP/1.0\r\nHost: a\r\n\r\n");
    UNTIL(&c, 1, site.raw_room == 4);
    assert_true(http_stream_send(site.raw, "old", 3));
    UNTIL(&c, 1, site.raw_room == 5);
    http_stream_end(site.raw);
    UNTIL(&c, 1, c.over);
    assert_memory_equal(c.in.data + c.in.len - 7, "\r\n\r\nold", 7);
    client_close(&c);
    (void)site_close(&site, NULL, 0);
}

/* Readers come, go, stall, break off at any moment, while events flow. */
static void coming_and_going(void **state)
{
    enum { READERS = 40 };
    static struct client c[READERS];
    struct site_options o = usual;
    struct site site;
    uint32_t seed = 1;
    unsigned opened = 0;

    (void)state;
    o.ring_bytes = 200000;
    o.io_timeout_ms = 300;
    site_open(&site, &o);
    for (int i = 0; i < READERS; i++) {
        c[i].fd = -1;
    }
    for (unsigned round = 0; round < 3000; round++) {
        struct client *one = &c[(seed = seed * 1664525 + 1013904223) >> 16 & 31];

        if (one->fd < 0) {
            client_connect(one, http_server_port(site.server), seed % 3 == 0 ? 4096 : 0);
            client_get(one, "/events", seed % 2 == 0 ? "3" : NULL);
            opened++;
        } else if (seed % 5 == 0) {
            one->reading = false;
        } else if (seed % 5 == 1 || one->over) {
            client_close(one);
        }
        publish_big(&site, round + 1, 1, 1 + seed % 4000);
        turn(c, READERS);
    }
    print_message("%u streams, %u lost their place\n", opened,
                  (unsigned)metrics_get(site.metrics, 3, 0));
    assert_true(opened > 300);
    for (int i = 0; i < READERS; i++) {
        client_close(&c[i]);
    }
    UNTIL(NULL, 0, sse_streams(site.hub) == 0 && scraped("http_streams ") == 0);
    (void)site_close(&site, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_readers),
        cmocka_unit_test(resumed_exactly),
        cmocka_unit_test(resumed_after_a_restart),
        cmocka_unit_test(what_is_not_published),
        cmocka_unit_test(slow_reader),
        cmocka_unit_test(stalled_reader),
        cmocka_unit_test(readers_leave),
        cmocka_unit_test(two_hundred_readers),
        cmocka_unit_test(drained),
        cmocka_unit_test(other_ends),
        cmocka_unit_test(noisy_reader),
        cmocka_unit_test(raw_streams),
        cmocka_unit_test(coming_and_going),
    };
    int failed;

    (void)signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    metrics_fini();
    return failed;
}
