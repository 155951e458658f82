/* Who may name the ticket of an act, and how a debt is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>
#include "gateway/gate/debts.h"

static struct gate_debt halt(void)
{
    return (struct gate_debt){
        .audit = 42,
        .time_ns = 1700000000123456789,
        .actor = "key:pk_1",
        .person = "user:ana",
        .action = "symbol.mode",
        .target = "BTC/USD",
        .reason = "a \"quoted\" reason",
        .incident = "",
    };
}

static struct gate_debt paid(void)
{
    struct gate_debt d = halt();

    d.ticket = "OPS-1";
    d.paid_ns = 1700000060000000000;
    d.paid_by = "user:ben";
    d.paid_audit = 44;
    return d;
}

static void its_ticket_is_named_by_who_did_it_or_an_operator(void **state)
{
    const struct {
        struct gate_debt_payer by;
        enum gate_debt_verdict verdict;
    } rows[] = {
        {{"key:pk_1", "user:ana", false}, DEBT_TO_PAY},
        {{"user:ana", "user:ana", false}, DEBT_TO_PAY},     /* her session, for her key */
        {{"key:pk_1", "account:desk", false}, DEBT_TO_PAY}, /* the key has another owner now */
        {{"user:ben", "user:ben", false}, DEBT_ANOTHERS},
        {{"key:pk_2", "account:desk", false}, DEBT_ANOTHERS},
        {{"user:ben", "user:ben", true}, DEBT_TO_PAY},
    };
    const struct gate_debt d = halt();

    (void)state;
    for (size_t i = 0; i < GW_LEN(rows); i++) {
        assert_int_equal(gate_debt_judge(&d, &rows[i].by, "OPS-1"), rows[i].verdict);
    }
}

static void a_ticket_is_named_once(void **state)
{
    const struct gate_debt_payer ana = {"user:ana", "user:ana", false};
    const struct gate_debt_payer eve = {"user:eve", "user:eve", false};
    const struct gate_debt d = paid();

    (void)state;
    assert_int_equal(gate_debt_judge(&d, &ana, "OPS-1"), DEBT_PAID_SO);
    assert_int_equal(gate_debt_judge(&d, &ana, "OPS-2"), DEBT_PAID_OTHERWISE);
    assert_int_equal(gate_debt_judge(&d, &ana, "OPS-11"), DEBT_PAID_OTHERWISE);
    assert_int_equal(gate_debt_judge(&d, &eve, "OPS-1"), DEBT_ANOTHERS); /* is told nothing */
}

static json_t *printed(const struct gate_debt *d)
{
    struct buf out = {0};
    json_t *root;

    gate_debt_print(&out, d);
    root = json_loads(buf_cstr(&out), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    buf_fini(&out);
    return root;
}

static void text_is(const json_t *root, const char *name, const char *text)
{
    assert_string_equal(json_string_value(json_object_get(root, name)), text);
}

static void what_is_owed_has_nulls(void **state)
{
    static const char *const nulls[] = {"incident", "ticket", "paid_at", "paid_by", "paid_audit"};
    const struct gate_debt d = halt();
    json_t *root = printed(&d);

    (void)state;
    assert_int_equal(json_integer_value(json_object_get(root, "audit")), 42);
    text_is(root, "at", "2023-11-14T22:13:20.123456Z");
    text_is(root, "actor", "key:pk_1");
    text_is(root, "person", "user:ana");
    text_is(root, "target", "BTC/USD");
    text_is(root, "reason", "a \"quoted\" reason");
    for (size_t i = 0; i < GW_LEN(nulls); i++) {
        assert_true(json_is_null(json_object_get(root, nulls[i])));
    }
    json_decref(root);
}

static void what_is_paid_names_its_entry(void **state)
{
    const struct gate_debt d = paid();
    json_t *root = printed(&d);

    (void)state;
    text_is(root, "ticket", "OPS-1");
    text_is(root, "paid_at", "2023-11-14T22:14:20.000000Z");
    text_is(root, "paid_by", "user:ben");
    assert_int_equal(json_integer_value(json_object_get(root, "paid_audit")), 44);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_ticket_is_named_by_who_did_it_or_an_operator),
        cmocka_unit_test(a_ticket_is_named_once),
        cmocka_unit_test(what_is_owed_has_nulls),
        cmocka_unit_test(what_is_paid_names_its_entry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
