/* mode, halt, resume: the trading mode of a symbol, a group, a list, or all of them. */
#include "admin_api/portctl/ask.h"

#include "admin_api/portctl/fields.h"
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static bool choose_word(const struct args *a, unsigned words, const char **target)
{
    const char *all = args_get(a, "all");
    const char *group = args_get(a, "group");
    const char *list = args_get(a, "symbols");
    unsigned ways = words + (all != NULL) + (group != NULL) + (list != NULL);

    if (ways != 1) {
        say("%s what? one of: SYMBOL, --symbols A,B, --group NAME, --all", a->command->name);
        say_next("portctl help %s", a->command->name);
        return false;
    }
    *target = words != 0 ? a->words[0] : all != NULL ? "*" : group;
    return true;
}

static void put_path(struct buf *out, const char *target, bool group)
{
    buf_lit(out, "/v1/symbols/");
    if (group) {
        buf_lit(out, "group%3A");
    }
    put_segment(out, target);
    buf_lit(out, "/mode");
}

/* WORDS: of the line, how many name what is meant. */
static enum portctl_exit set_mode(struct client *c, const struct args *a, unsigned words,
                                  const char *mode)
{
    const char *list = args_get(a, "symbols");
    const char *target = NULL;
    struct ask k;

    if (!choose_word(a, words, &target)) {
        return PORTCTL_USAGE;
    }
    ask_init(&k, list != NULL ? "POST" : "PUT", a);
    ask_set(&k, "mode", json_string(mode));
    if (list != NULL) {
        ask_set(&k, "symbols", ask_list(list));
        buf_lit(&k.target, "/v1/symbols:set-mode");
    } else {
        put_path(&k.target, target, args_get(a, "group") != NULL);
        put_path(&k.look, target, args_get(a, "group") != NULL);
    }
    return ask_run(c, a, &k);
}

enum portctl_exit mode_set(struct client *c, const struct args *a)
{
    return set_mode(c, a, a->word_count - 1, a->words[a->word_count - 1]);
}

enum portctl_exit halt_set(struct client *c, const struct args *a)
{
    return set_mode(c, a, a->word_count, args_get(a, "hard") != NULL ? "HARD_HALT" : "SOFT_HALT");
}

/* The mode that may follow the present one (docs/CONTROL.md); NULL: said why not. */
static const char *next_mode(const char *now, const char *wanted)
{
    if (strcmp(now, "NORMAL") == 0) {
        say("its own mode is NORMAL already");
        say_next("portctl status shows what else holds it back: its group, all symbols (resume "
                 "--all), a kill switch (kill release)");
        return NULL;
    }
    if (wanted != NULL) {
        return wanted;
    }
    if (strcmp(now, "CANCEL_ONLY") == 0) {
        say("the reason has to say how the state was validated");
    }
    return strcmp(now, "HARD_HALT") == 0 ? "CANCEL_ONLY" : "NORMAL";
}

enum portctl_exit resume_ask(struct client *c, const struct args *a)
{
    struct buf path = {0};
    struct answer now;
    const char *target = NULL;
    const char *mode = NULL;
    enum portctl_exit code;

    if (!choose_word(a, a->word_count, &target)) {
        return PORTCTL_USAGE;
    }
    put_path(&path, target, args_get(a, "group") != NULL);
    code = client_call(c, &(struct call){.method = "GET", .target = buf_cstr(&path)}, &now);
    if (code == PORTCTL_DONE) {
        mode = next_mode(text_member(now.root, "mode"), args_get(a, "to"));
        code = mode != NULL ? PORTCTL_DONE : PORTCTL_REFUSED;
    }
    answer_fini(&now);
    buf_fini(&path);
    return code == PORTCTL_DONE ? set_mode(c, a, a->word_count, mode) : code;
}
