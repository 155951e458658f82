#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/auth/keys_fixture.h"

#include "auth/key_store.h"

struct issued {
    unsigned calls;
    enum key_store_err err;
    char id[KEY_ID_MAX + 1];
    char owner[KEY_OWNER_MAX + 1];
    char json[1024];
};

static void on_issued(void *arg, const struct key_answer *a)
{
    struct issued *i = arg;
    struct buf json = {0};

    i->calls++;
    i->err = a->err;
    if (a->err == KEY_STORE_OK) {
        (void)snprintf(i->id, sizeof i->id, "%s", a->rows[0].id);
        (void)snprintf(i->owner, sizeof i->owner, "%s",
                       a->rows[0].owner != NULL ? a->rows[0].owner : "");
        key_row_json(&json, &a->rows[0]);
        (void)snprintf(i->json, sizeof i->json, "%s", buf_cstr(&json));
        buf_fini(&json);
    }
}

static void issue(struct cache *c, struct key_store *store, const char *owner, struct issued *out)
{
    const struct key_change change = {.actor = "test", .reason = "a test of owners"};
    const struct key_spec spec = {
        .account = "acme", .owner = owner, .label = "x", .alg = KEY_HMAC_SHA256};
    const char *field = NULL;

    *out = (struct issued){0};
    assert_int_equal(key_store_issue(store, &change, &spec, &field, on_issued, out), KEY_STORE_OK);
    UNTIL(&c->w.loop, out->calls == 1, 3000);
}

/* Two keys of one person are one person, as is her session; a program is its key. */
static void a_key_may_be_a_persons(void **state)
{
    struct cache c;
    struct key_store *store;
    struct issued one;
    struct issued two;
    struct issued none;
    char person[2][KEY_PERSON_SIZE];
    const struct key_change change = {.actor = "test", .reason = "a test of owners"};
    const struct key_spec wrong = {
        .account = "acme", .owner = "Ana!", .label = "x", .alg = KEY_HMAC_SHA256};
    const char *field = NULL;

    (void)state;
    NEEDS_SERVER();
    clean();
    sql("INSERT INTO users (name, label, created_by, password_hash, password_at) VALUES"
        " ('ana', 'Ana', 'me', '$argon2id$v=19$m=19456,t=2,p=1$x$x', now())");
    cache_open(&c);
    store = key_store_create(c.w.pg, c.keys, masters, GW_LEN(masters));
    issue(&c, store, "ana", &one);
    assert_int_equal(one.err, KEY_STORE_OK);
    assert_string_equal(one.owner, "ana");
    assert_non_null(strstr(one.json, "\"owner\":\"ana\""));
    issue(&c, store, "ana", &two);
    issue(&c, store, NULL, &none);
    assert_non_null(strstr(none.json, "\"owner\":null"));
    UNTIL(&c.w.loop, told(&c, none.id, "active") == 1, 5000);
    key_person(cache_find(&c, one.id), person[0]);
    key_person(cache_find(&c, two.id), person[1]);
    assert_string_equal(person[0], "user:ana");
    assert_string_equal(person[1], "user:ana");
    key_person(cache_find(&c, none.id), person[1]);
    assert_memory_equal(person[1], "key:pk_", 7);
    assert_string_equal(person[1] + 4, none.id);
    /* nobody, and no name at all */
    issue(&c, store, "nobody", &two);
    assert_int_equal(two.err, KEY_STORE_ACCOUNT);
    assert_int_equal(key_store_issue(store, &change, &wrong, &field, on_issued, &two),
                     KEY_STORE_INVALID);
    assert_string_equal(field, "owner");
    /* her keys end with her, and only hers */
    sql("UPDATE users SET disabled_at = now(), disabled_by = 'me', disabled_reason = 'gone'");
    UNTIL(&c.w.loop, told(&c, one.id, "disabled") == 1, 5000);
    assert_int_equal(told(&c, none.id, "disabled"), 0);
    assert_int_equal(cache_state(&c, none.id), KEY_ACTIVE);
    sql("UPDATE users SET disabled_at = NULL, disabled_by = NULL, disabled_reason = NULL");
    UNTIL(&c.w.loop, told(&c, one.id, "active") == 2, 5000);
    key_store_forget_keys(store);
    cache_close(&c);
    key_store_destroy(&store);
}

/* A successor is the same person's. */
static void rotation_keeps_the_owner(void **state)
{
    struct cache c;
    struct key_store *store;
    struct issued one;
    struct issued next = {0};
    const struct key_change change = {.actor = "test", .reason = "a test of owners"};
    struct key_rotation rotation = {.id = one.id};
    const char *field = NULL;

    (void)state;
    NEEDS_SERVER();
    cache_open(&c);
    store = key_store_create(c.w.pg, c.keys, masters, GW_LEN(masters));
    issue(&c, store, "ana", &one);
    assert_int_equal(key_store_rotate(store, &change, &rotation, &field, on_issued, &next),
                     KEY_STORE_OK);
    UNTIL(&c.w.loop, next.calls == 1, 3000);
    assert_int_equal(next.err, KEY_STORE_OK);
    assert_string_not_equal(next.id, one.id);
    assert_string_equal(next.owner, "ana");
    key_store_forget_keys(store);
    cache_close(&c);
    key_store_destroy(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_may_be_a_persons),
        cmocka_unit_test(rotation_keeps_the_owner),
    };
    int failed = cmocka_run_group_tests(tests, keys_start, server_end);

    metrics_fini();
    return failed;
}
