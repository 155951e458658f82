/* The compose file that is shipped is YAML, and names what the runbooks name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "gateway/runtime/yaml.h"

static const char *text_at(const struct yaml_node *n, const char *const *path)
{
    for (; *path != NULL; path++) {
        assert_int_equal(yaml_kind(n), YAML_MAP);
        n = yaml_get(n, *path);
        assert_non_null(n);
    }
    return yaml_text(n);
}

static void it_names_user_and_database(void **state)
{
    struct buf errors = {0};
    struct yaml_doc *doc;
    const struct yaml_node *root;
    static const char *const user[] = {"services", "postgres", "environment", "POSTGRES_USER",
                                       NULL};
    static const char *const db[] = {"services", "postgres", "environment", "POSTGRES_DB", NULL};
    static const char *const redis[] = {"services", "redis", "image", NULL};
    const struct yaml_node *ports;

    (void)state;
    assert_int_equal(
        yaml_open(GW_ROOT "/docs/ops/compose/docker-compose.yml", &doc, &root, &errors), GW_OK);
    assert_string_equal(text_at(root, user), "exchange");
    assert_string_equal(text_at(root, db), "exchange");
    assert_string_equal(text_at(root, redis), "redis:7");
    ports = yaml_get(yaml_get(yaml_get(root, "services"), "postgres"), "ports");
    assert_int_equal(yaml_count(ports), 1); /* not open to others */
    assert_string_equal(yaml_text(yaml_item(ports, 0)), "127.0.0.1:5432:5432");
    yaml_close(&doc);
    buf_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_names_user_and_database)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
