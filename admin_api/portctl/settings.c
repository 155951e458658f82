#include "admin_api/portctl/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "admin_api/portctl/text.h"

#define ENV_FILE_MAX  65536u
#define TIMEOUT_S     10u
#define TIMEOUT_MAX_S 600u

/* clang-format off */
static const struct source {
    const char *option;
    const char *variable;   /* in the environment and in the file */
    const char *written_by_up; /* in the file only */
    size_t offset;
} sources[] = {
    {"url",      "ADMIN_URL",      "ADMIN_HTTPS_URL", offsetof(struct settings, url)},
    {"key-file", "ADMIN_KEY_FILE", NULL,              offsetof(struct settings, key_file)},
    {"key-id",   "ADMIN_KEY_ID",   NULL,              offsetof(struct settings, key_id)},
    {"session-file", "PORTCTL_SESSION", NULL,         offsetof(struct settings, session_file)},
    {"ws",       "PORTCTL_WS",     "PUBLIC_WSS_URL", offsetof(struct settings, ws)},
    {"ca",       "PORTCTL_CA",     "CA_FILE",         offsetof(struct settings, ca)},
};
/* clang-format on */

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, " \t");
}

/* The value on the line at S, which is that of NAME; NULL: another line. */
static char *line_value(const char *s, size_t len, const char *name)
{
    const char *end = s + len;
    size_t name_len = strlen(name);
    char *value;

    s = skip_blanks(s);
    if (strncmp(s, "export ", 7) == 0) {
        s = skip_blanks(s + 7);
    }
    if (strncmp(s, name, name_len) != 0 || s[name_len] != '=') {
        return NULL;
    }
    s += name_len + 1;
    while (end > s && strchr(" \t\r", end[-1]) != NULL) {
        end--;
    }
    if (end - s >= 2 && (*s == '"' || *s == '\'') && end[-1] == *s) {
        s++;
        end--;
    }
    len = (size_t)(end - s);
    value = gw_malloc(len + 1);
    memcpy(value, s, len);
    value[len] = '\0';
    return value;
}

char *settings_line(const char *text, const char *name)
{
    char *found = NULL;

    while (*text != '\0') {
        size_t len = strcspn(text, "\n");
        char *value = line_value(text, len, name);

        if (value != NULL) {
            free(found);
            found = value;
        }
        text += len + (text[len] == '\n');
    }
    return found;
}

/* The whole file as text; NULL with WHY. */
static char *read_file(const char *path, struct buf *why)
{
    FILE *in = fopen(path, "re");
    char *text = gw_calloc(ENV_FILE_MAX + 1, 1);

    if (in == NULL || fread(text, 1, ENV_FILE_MAX + 1, in) > ENV_FILE_MAX || ferror(in)) {
        buf_printf(why, "cannot read --env %s: %s", path,
                   in == NULL || ferror(in) ? strerror(errno) : "too long");
        free(text);
        text = NULL;
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    return text;
}

/* An empty variable counts as none. */
static char *not_empty(char *value)
{
    if (value != NULL && value[0] == '\0') {
        free(value);
        return NULL;
    }
    return value;
}

static char *look_up(const struct source *s, const struct args *a, const char *file)
{
    const char *given = args_get(a, s->option);
    char *value = NULL;

    if (given != NULL) {
        return gw_strdup(given);
    }
    if (file != NULL) {
        value = not_empty(settings_line(file, s->variable));
    }
    if (value == NULL && file != NULL && s->written_by_up != NULL) {
        value = not_empty(settings_line(file, s->written_by_up));
    }
    if (value == NULL && (given = getenv(s->variable)) != NULL) {
        value = not_empty(gw_strdup(given));
    }
    return value;
}

bool settings_read(const struct args *a, struct settings *out, struct buf *why)
{
    const char *path = args_get(a, "env");
    const char *timeout = args_get(a, "timeout");
    uint64_t seconds = TIMEOUT_S;
    char *file = NULL;

    *out = (struct settings){0};
    if (path != NULL && (file = read_file(path, why)) == NULL) {
        return false;
    }
    if (timeout != NULL && !number_parse(timeout, 1, TIMEOUT_MAX_S, &seconds)) {
        buf_printf(why, "--timeout %s: give 1 to %u seconds", timeout, TIMEOUT_MAX_S);
        free(file);
        return false;
    }
    for (size_t i = 0; i < GW_LEN(sources); i++) {
        *(char **)((char *)out + sources[i].offset) = look_up(&sources[i], a, file);
    }
    out->timeout_s = (unsigned)seconds;
    out->key_named = args_get(a, "key-file") != NULL || args_get(a, "key-id") != NULL;
    out->json = args_get(a, "json") != NULL;
    out->verbose = args_get(a, "verbose") != NULL;
    free(file);
    return true;
}

void settings_fini(struct settings *s)
{
    for (size_t i = 0; i < GW_LEN(sources); i++) {
        free(*(char **)((char *)s + sources[i].offset));
    }
    *s = (struct settings){0};
}
