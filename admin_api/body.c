/* admin_api/body.c - request bodies as JSON objects, strictly. */
#include <string.h>
#include "admin_api/api_priv.h"
#include "gateway/runtime/json.h"

json_t *body_read(struct api_call *c, const char *const *names)
{
    const char *type = http_header(c->req, "content-type");
    size_t len;
    const char *text = http_body(c->req, &len);
    const char *name;
    json_t *member;
    json_t *root;

    if (type == NULL || strcmp(type, "application/json") != 0) {
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
    json_object_foreach(root, name, member)
    {
        bool known = false;

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
    return root;
}
