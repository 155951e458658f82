/* admin_api/body.c - request bodies as JSON objects, strictly. */
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/json.h"

json_t *body_object(struct api_call *c, bool parameters)
{
    static const char json[] = "application/json";
    const char *type = http_header(c->req, "content-type");
    size_t len;
    const char *text = http_body(c->req, &len);
    json_t *root;

    if (type == NULL || strncmp(type, json, sizeof json - 1) != 0 ||
        (type[sizeof json - 1] != '\0' &&
         (!parameters || strchr("; \t", type[sizeof json - 1]) == NULL))) {
        call_problem(c, &(struct api_problem){415, "media-type", "unsupported media type",
                                              "send content-type: application/json", NULL});
        return NULL;
    }
    root = len != 0 ? json_parse_strict(text, len, API_JSON_DEPTH) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        call_problem(c, &(struct api_problem){400, "malformed", "the body is not a JSON object",
                                              "one object, no member twice", NULL});
        return NULL;
    }
    return root;
}

bool body_confirmed(struct api_call *c, const json_t *root, const char *word)
{
    const json_t *v = json_object_get(root, "confirm");
    char detail[160];

    if (v == NULL || json_is_null(v) ||
        (json_is_string(v) && strcmp(json_string_value(v), word) == 0)) {
        return true;
    }
    (void)snprintf(detail, sizeof detail,
                   "must be `%.64s`, exactly; nothing was done: look again at what it reaches, "
                   "then type that",
                   word);
    call_invalid(c, "confirm", detail);
    return false;
}

json_t *body_read(struct api_call *c, const char *const *names)
{
    json_t *root = body_object(c, false);
    const char *name;
    json_t *member;

    json_object_foreach(root, name, member)
    {
        bool known = c->word != NULL && strcmp(name, "confirm") == 0;

        for (unsigned i = 0; names[i] != NULL; i++) {
            known = known || strcmp(names[i], name) == 0;
        }
        if (!known) {
            call_problem(c, &(struct api_problem){422, "validation", "a member is not known here",
                                                  "see the list of routes for what may be sent",
                                                  name});
            json_decref(root);
            return NULL;
        }
    }
    if (root != NULL && c->word != NULL && !body_confirmed(c, root, c->word)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

/* Characters, not bytes. */
static size_t length_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

/* Absent and null are the same: "". */
static bool take_text(struct api_call *c, const json_t *root, const char *name, size_t least,
                      size_t most, char *out, size_t cap)
{
    const json_t *v = json_object_get(root, name);
    const char *text = json_string_value(v);
    size_t len = text != NULL ? length_of(text) : 0;
    char wanted[48];

    out[0] = '\0';
    if ((v != NULL && !json_is_null(v) && text == NULL) || len < least || len > most ||
        (text != NULL && (strlen(text) != json_string_length(v) || strlen(text) >= cap))) {
        (void)snprintf(wanted, sizeof wanted, "a text of %zu to %zu characters", least, most);
        call_invalid(c, name, wanted);
        return false;
    }
    if (text != NULL) {
        (void)snprintf(out, cap, "%s", text);
    }
    return true;
}

bool body_why(struct api_call *c)
{
    return body_why_of(c, NULL, NULL, 0);
}

bool body_why_of(struct api_call *c, const char *more, char *out, size_t cap)
{
    const char *const names[] = {"reason", "ticket", "incident", more, NULL};
    json_t *root = body_read(c, names);
    char incident[401];
    bool ok;

    if (root == NULL) {
        return false;
    }
    ok = take_text(c, root, "reason", 10, KEY_REASON_MAX, c->why, sizeof c->why) &&
         take_text(c, root, "ticket", 0, 100, c->ticket, sizeof c->ticket) &&
         take_text(c, root, "incident", 0, 100, incident, sizeof incident) &&
         (more == NULL || take_text(c, root, more, 1, cap - 1, out, cap));
    json_decref(root);
    return ok;
}
