/* links: gw_playbook gw_admin_api_portctl */
/* The command lines of the playbooks that are shipped, as portctl reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "admin_api/portctl/cli.h"
#include "gateway/playbook/playbook.h"
#include "gateway/runtime/json.h"

static bool any_action(void *arg, const struct playbook_action *a, struct buf *why)
{
    (void)arg;
    (void)a;
    (void)why;
    return true;
}

static struct playbooks *shipped(void)
{
    static const struct playbook_rules rules = {any_action, NULL};
    struct buf errors = {0};
    struct playbooks *all = NULL;

    assert_int_equal(playbooks_read(GW_ROOT "/docs/playbooks", &rules, &all, &errors), GW_OK);
    buf_fini(&errors);
    return all;
}

/* LINE split as a shell does: blanks, and single quotes. */
static int split(char *line, char **argv, int most)
{
    int argc = 0;

    while (*line != '\0' && argc + 1 < most) {
        char end = ' ';

        line += strspn(line, " ");
        if (*line == '\'') {
            end = *line++;
        }
        argv[argc++] = line;
        line += strcspn(line, end == ' ' ? " " : "'");
        if (*line != '\0') {
            *line++ = '\0';
        }
    }
    argv[argc] = NULL;
    return argc;
}

static void is_a_command(const char *text)
{
    char *line = gw_strdup(text);
    char *argv[40];
    int argc = split(line, argv, 40);
    struct args args;
    struct buf why = {0};

    if (!args_parse(argc, argv, &args, &why) || args.command == NULL) {
        fail_msg("%s: %s", text, buf_cstr(&why));
    }
    buf_fini(&why);
    free(line);
}

static void their_command_lines_are_portctl_s(void **state)
{
    struct playbooks *all = shipped();
    unsigned lines = 0;

    (void)state;
    for (size_t i = 0; i < playbooks_count(all); i++) {
        const struct playbook *p = playbooks_at(all, i);

        for (size_t k = 0; k < p->step_count; k++) {
            const struct playbook_step *s = &p->steps[k];

            if (s->action.method != NULL) {
                is_a_command(s->action.portctl);
                lines++;
            }
            for (size_t n = 0; n < s->commands.count; n++) {
                if (strncmp(s->commands.items[n], "portctl ", 8) == 0) {
                    is_a_command(s->commands.items[n]);
                    lines++;
                }
            }
        }
    }
    assert_in_range(lines, 12, 100);
    playbooks_destroy(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(their_command_lines_are_portctl_s),
    };

    json_setup();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
