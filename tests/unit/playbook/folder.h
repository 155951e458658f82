/* tests/unit/playbook/folder.h - a folder of playbooks for one test. */
#ifndef TESTS_UNIT_PLAYBOOK_FOLDER_H
#define TESTS_UNIT_PLAYBOOK_FOLDER_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gateway/playbook/playbook.h"

#define CONTACTS "contacts:\n  - {role: on_call, name: Ana, how: pager}\n"
#define HEAD(id)                                                                                   \
    "id: " id "\ntitle: A title\nversion: 3\nowner: Desk\nreviewed_at: 2026-11-21\n"               \
    "next_review_at: 2027-02-21\nseverity: SEV2\nsignals: [one, two]\nsymptoms: [late]\n"
#define STEPS                                                                                      \
    "steps:\n"                                                                                     \
    "  - {id: look, phase: immediate, title: Look, text: Look., mandatory: true}\n"                \
    "  - id: ask\n    phase: diagnosis\n    title: Ask\n    text: Ask.\n    mandatory: true\n"     \
    "    after: [look]\n    guard:\n      question: Well?\n      answers:\n"                       \
    "        fine: {text: Go on.}\n        bad: {text: Stop., locks: [open]}\n"                    \
    "  - id: open\n    phase: recovery\n    title: Open\n    text: Open.\n    after: [ask]\n"      \
    "    action: {method: PUT, path: '/v1/x/{symbol}', permission: x.set, typed: symbol, "         \
    "body: '{\"a\":1}', portctl: portctl x}\n"
#define EXIT                                                                                       \
    "exit:\n"                                                                                      \
    "  - {id: quiet, text: Quiet, counter: slow_consumer_quiet_s, need: 10}\n"                     \
    "  - {id: low, text: Low, counter: backlog_below_s, below: 1000, need: 5}\n"                   \
    "  - {id: whole, text: Whole, counter: trades_kept_s, need: 10}\n"                             \
    "  - {id: normal, text: Normal, counter: fanout_normal_s, need: 3}\n"                          \
    "  - {id: released, text: Released, counter: kill_released_s, need: 3}\n"                      \
    "  - {id: cause, text: Cause, counter: root_cause, need: 1}\n"
#define TAIL "contacts: [on_call]\nnotice: Please wait.\n"
#define GOOD HEAD("good") STEPS EXIT TAIL

static char folder[64];

static void folder_make(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/gw-playbook-XXXXXX");
    GW_ASSERT(mkdtemp(folder) != NULL);
}

static void folder_path(char out[128], const char *name)
{
    (void)snprintf(out, 128, "%s/%s", folder, name);
}

static void folder_write(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    folder_path(path, name);
    f = fopen(path, "we");
    GW_ASSERT(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void folder_remove(const char *name)
{
    char path[128];

    folder_path(path, name);
    (void)unlink(path);
}

/* PUT /v1/x/... with x.set is all there is. */
static bool only_x(void *arg, const struct playbook_action *a, struct buf *why)
{
    (void)arg;
    if (strcmp(a->method, "PUT") == 0 && strncmp(a->path, "/v1/x/", 6) == 0 &&
        strcmp(a->permission, "x.set") == 0) {
        return true;
    }
    buf_printf(why, "%s %s: no such route", a->method, a->path);
    return false;
}
static const struct playbook_rules x_rules = {only_x, NULL};

/* The one playbook of GOOD. */
static struct playbooks *folder_good(void)
{
    struct buf errors = {0};
    struct playbooks *all = NULL;

    folder_write("contacts.yaml", CONTACTS);
    folder_write("good.yaml", GOOD);
    if (playbooks_read(folder, &x_rules, &all, &errors) != GW_OK) {
        fprintf(stderr, "%s", buf_cstr(&errors));
    }
    GW_ASSERT(all != NULL && errors.len == 0);
    buf_fini(&errors);
    return all;
}

static void folder_end(void)
{
    static const char *const names[] = {"contacts.yaml", "good.yaml", "other.yaml"};

    for (size_t i = 0; i < GW_LEN(names); i++) {
        folder_remove(names[i]);
    }
    GW_ASSERT(rmdir(folder) == 0);
}
#endif
