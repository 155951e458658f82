/* The other axes: kill switch, withdrawals, throttles, accounts, fan-out, upstream. */
#include "admin_api/portctl/ask.h"

#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/text.h"

static const char kill_path[] = "/v1/kill-switch";

static void look_at_kill(struct ask *k, const struct args *a)
{
    const char *scope = args_get(a, "scope");

    buf_puts(&k->look, kill_path);
    if (scope != NULL) {
        buf_lit(&k->look, "?scope=");
        put_segment(&k->look, scope);
        ask_set(k, "scope", json_string(scope));
    }
}

enum portctl_exit kill_engage(struct client *c, const struct args *a)
{
    struct ask k;

    ask_init(&k, "PUT", a);
    ask_set(&k, "engaged", json_true());
    look_at_kill(&k, a);
    buf_puts(&k.target, kill_path);
    return ask_run(c, a, &k);
}

enum portctl_exit kill_release(struct client *c, const struct args *a)
{
    const char *symbols = args_get(a, "symbols");
    const char *percent = args_get(a, "percent");
    uint64_t n = 0;
    struct ask k;

    if (percent != NULL && !number_parse(percent, 0, 100, &n)) {
        say("--percent %s is not a whole number from 0 to 100", percent);
        say_next("give how many of a hundred keys may trade again");
        return PORTCTL_USAGE;
    }
    ask_init(&k, "POST", a);
    if (symbols != NULL) {
        ask_set(&k, "released_symbols", ask_list(symbols));
    }
    if (percent != NULL) {
        ask_set(&k, "released_percent", json_integer((json_int_t)n));
    }
    if (symbols == NULL && percent == NULL) {
        ask_set(&k, "engaged", json_false());
    }
    look_at_kill(&k, a);
    buf_lit(&k.target, "/v1/kill-switch/release-requests");
    return ask_run(c, a, &k);
}

static enum portctl_exit withdrawals(struct client *c, const struct args *a, bool halted)
{
    const char *asset = args_get(a, "asset");
    struct ask k;

    ask_init(&k, "PUT", a);
    ask_set(&k, "halted", json_boolean(halted));
    buf_lit(&k.target, "/v1/withdrawals");
    buf_lit(&k.look, "/v1/withdrawals");
    if (asset != NULL) {
        ask_set(&k, "asset", json_string(asset));
        buf_lit(&k.look, "?asset=");
        put_segment(&k.look, asset);
    }
    return ask_run(c, a, &k);
}

enum portctl_exit withdrawals_halt(struct client *c, const struct args *a)
{
    return withdrawals(c, a, true);
}

enum portctl_exit withdrawals_resume(struct client *c, const struct args *a)
{
    return withdrawals(c, a, false);
}

enum portctl_exit throttle_set(struct client *c, const struct args *a)
{
    bool off = strcmp(a->words[1], "off") == 0;
    uint64_t n = 0;
    struct ask k;

    if (!off && !number_parse(a->words[1], 1, 1000000, &n)) {
        say("%s is neither a number of orders a second from 1 to 1000000 nor off", a->words[1]);
        say_next("portctl throttle %s 100 ..., or off", a->words[0]);
        return PORTCTL_USAGE;
    }
    ask_init(&k, "PUT", a);
    ask_set(&k, "orders_per_s", off ? json_null() : json_integer((json_int_t)n));
    buf_lit(&k.target, "/v1/symbols/");
    put_segment(&k.target, a->words[0]);
    buf_lit(&k.target, "/throttle");
    buf_append(&k.look, k.target.data, k.target.len);
    return ask_run(c, a, &k);
}

static enum portctl_exit account(struct client *c, const struct args *a, const char *what,
                                 const char *member, bool tight)
{
    struct ask k;

    ask_init(&k, "PUT", a);
    ask_set(&k, member, json_boolean(tight));
    buf_lit(&k.target, "/v1/accounts/");
    put_segment(&k.target, a->words[0]);
    buf_puts(&k.target, what);
    buf_append(&k.look, k.target.data, k.target.len);
    return ask_run(c, a, &k);
}

enum portctl_exit account_pause(struct client *c, const struct args *a)
{
    return account(c, a, "/trading", "paused", true);
}

enum portctl_exit account_resume(struct client *c, const struct args *a)
{
    return account(c, a, "/trading", "paused", false);
}

enum portctl_exit account_disable(struct client *c, const struct args *a)
{
    return account(c, a, "/access", "disabled", true);
}

enum portctl_exit account_enable(struct client *c, const struct args *a)
{
    return account(c, a, "/access", "disabled", false);
}

/* False: said why. */
static bool set_figures(struct ask *k, const struct args *a)
{
    static const char *const figures[][2] = {
        {"conflation", "conflation_ms"}, {"depth", "default_depth"}, {"sub-ops", "sub_ops_per_s"}};

    for (size_t i = 0; i < GW_LEN(figures); i++) {
        const char *text = args_get(a, figures[i][0]);
        uint64_t n;

        if (text != NULL && !number_parse(text, 0, UINT32_MAX, &n)) {
            say("--%s %s is not a whole number", figures[i][0], text);
            say_next("portctl help fanout");
            return false;
        }
        if (text != NULL) {
            ask_set(k, figures[i][1], json_integer((json_int_t)n));
        }
    }
    return true;
}

enum portctl_exit fanout_set(struct client *c, const struct args *a)
{
    const char *end = args_get(a, "for");
    bool normal = strcmp(a->words[0], "normal") == 0;
    struct ask k;

    if (!normal && end == NULL) {
        say("the profile %s ends by itself: when?", a->words[0]);
        say_next("add --for 15m, or --for 2026-11-20T23:00:00Z");
        return PORTCTL_USAGE;
    }
    ask_init(&k, "PUT", a);
    ask_set(&k, "profile", json_string(a->words[0]));
    if (end != NULL) {
        ask_set_time(&k, "expires_at", "for", end);
    }
    if (!set_figures(&k, a)) {
        json_decref(k.body);
        return PORTCTL_USAGE;
    }
    buf_lit(&k.target, "/v1/fanout/profile");
    buf_lit(&k.look, "/v1/fanout/profile");
    return ask_run(c, a, &k);
}

enum portctl_exit upstream_set(struct client *c, const struct args *a)
{
    struct ask k;

    ask_init(&k, "PUT", a);
    ask_set(&k, "active", json_string(a->words[0]));
    buf_lit(&k.target, "/v1/upstreams/active");
    buf_lit(&k.look, "/v1/upstreams/active");
    return ask_run(c, a, &k);
}
