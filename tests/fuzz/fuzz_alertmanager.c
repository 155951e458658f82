/* links: gateway/reported/alert.c gw_reported */
#include <jansson.h>
#include <string.h>
#include "gateway/base/err.h"
#include "gateway/reported/alert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever a sender writes: no JSON, or alerts inside every bound, each key once, whose content is JSON. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct alerts a;
    enum alerts_verdict verdict =
        alerts_decode((const char *)data, len, INT64_C(1763730000000000000), &a);

    GW_ASSERT(verdict == ALERTS_READ || a.count == 0);
    GW_ASSERT(a.count <= ALERTS_MAX);
    for (size_t i = 0; i < a.count; i++) {
        const struct alert *v = &a.v[i];
        struct incident_signal s = alert_signal(v);
        json_error_t error;
        json_t *content = json_loads(v->content, 0, &error);

        GW_ASSERT(json_is_object(content));
        json_decref(content);
        GW_ASSERT(s.title[0] != '\0' && strlen(s.title) < sizeof v->title);
        GW_ASSERT(strlen(s.summary) <= 8000 && s.severity < SEVERITY_COUNT);
        GW_ASSERT(strncmp(s.key, "alert:", 6) == 0 && v->fingerprint[0] != '\0');
        GW_ASSERT(i == 0 || strcmp(a.v[i - 1].key, v->key) < 0);
        GW_ASSERT(v->firing == (v->ends_ns == 0));
    }
    alerts_fini(&a);
    return 0;
}
