/* admin_api/portctl/main.c - the command line client of the admin API. */
#include <stdio.h>
#include "admin_api/portctl/handlers.h"
#include "admin_api/portctl/http.h"
#include "admin_api/portctl/text.h"
#include "gateway/runtime/json.h"

static enum portctl_exit with_server(const struct args *a)
{
    struct settings settings;
    struct buf why = {0};
    enum portctl_exit code = PORTCTL_USAGE;
    struct client *c;

    if (!settings_read(a, &settings, &why)) {
        say("%s", buf_cstr(&why));
        say_next("portctl help");
    } else if ((c = client_create(&settings, a->command->name, &code)) != NULL) {
        code = a->command->run(c, a);
        client_destroy(&c);
    }
    settings_fini(&settings);
    buf_fini(&why);
    return code;
}

static enum portctl_exit show_help(const struct args *a)
{
    const char *name = a->command != NULL ? a->command->name : NULL;
    char first[32];
    size_t len = name != NULL ? command_first(a->command) : 0;
    struct buf out = {0};

    if (name == NULL || a->command->run == help_command) {
        (void)!help_put(&out, a->word_count > 0 ? a->words[0] : NULL, NULL);
    } else {
        (void)snprintf(first, sizeof first, "%.*s", (int)len, name);
        (void)!help_put(&out, first, name[len] == ' ' ? name + len + 1 : NULL);
    }
    print_buf(&out);
    return PORTCTL_DONE;
}

static enum portctl_exit run(int argc, char **argv)
{
    struct args a;
    struct buf why = {0};

    if (!args_parse(argc, argv, &a, &why)) {
        say("%s", buf_cstr(&why));
        say_next("portctl help%s%s", a.command != NULL ? " " : "",
                 a.command != NULL ? a.command->name : "");
        buf_fini(&why);
        return PORTCTL_USAGE;
    }
    buf_fini(&why);
    if (args_get(&a, "version") != NULL) {
        puts("portctl " GW_VERSION);
        return PORTCTL_DONE;
    }
    if (args_get(&a, "help") != NULL) {
        return show_help(&a);
    }
    return a.command->local ? a.command->run(NULL, &a) : with_server(&a);
}

int main(int argc, char **argv)
{
    enum portctl_exit code;

    json_setup();
    if (!http_setup()) {
        say("libcurl does not start");
        return PORTCTL_UNREACHABLE;
    }
    code = run(argc, argv);
    http_fini();
    /* a secret that did not get out is lost: that must not look like success */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        say("the output could not be written");
        code = code == PORTCTL_DONE ? PORTCTL_REFUSED : code;
    }
    return (int)code;
}
