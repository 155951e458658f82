#include "gateway/app/describe.h"

#include <stdio.h>
#include <string.h>
#include "auth/fault.h"
#include "auth/people/people.h"
#include "auth/scopes.h"
#include "gateway/app/daemon.h"
#include "gateway/app/openapi.h"
#include "gateway/audit/journal.h"
#include "gateway/audit/words.h"
#include "gateway/core/core.h"
#include "gateway/fleet/fleet.h"
#include "gateway/http/head.h"
#include "gateway/http/metrics.h"
#include "gateway/http/sse.h"
#include "gateway/incident/incidents.h"
#include "gateway/publish/publisher.h"
#include "gateway/rest/dashboard.h"
#include "gateway/rest/rest.h"
#include "gateway/store/redis.h"

#define MADE                                                                                       \
    "<!-- Made by `portcullis --describe %s`; do not edit: change the table in the source. "       \
    "-->\n\n"

static void describe_config(struct buf *out)
{
    struct daemon_config unused = {0};
    struct cfg_binding bindings[DAEMON_BINDINGS];
    const struct cfg_table *tables[DAEMON_BINDINGS];

    daemon_bindings(&unused, bindings);
    for (unsigned i = 0; i < DAEMON_BINDINGS; i++) {
        tables[i] = bindings[i].table;
    }
    buf_lit(out,
            "# Configuration\n\nOne YAML file, sections as below; each key also as the environment "
            "variable beside it, which wins.\n");
    config_describe(tables, DAEMON_BINDINGS, out);
}

static void describe_metrics(struct buf *out)
{
    static const struct metric_table *const tables[] = {
        &feed_metrics,     &publisher_metrics, &ws_metrics,    &http_metrics,     &redis_metrics,
        &api_metrics,      &keys_metrics,      &store_metrics, &limits_metrics,   &gate_metrics,
        &audit_metrics,    &journal_metrics,   &core_metrics,  &sse_metrics,      &people_metrics,
        &incident_metrics, &paging_metrics,    &spool_metrics, &reported_metrics, &playbook_metrics,
        &circuit_metrics,  &fleet_metrics,
    };

    buf_lit(out, "# Metrics\n\nServed as Prometheus text at `/metrics` of the admin listener, with "
                 "`md_seq`, `md_events_total`, `md_trades_total`, `md_book_levels`, "
                 "`md_symbol_live`, `md_seq_gap_total`, `md_seq_duplicate_total` "
                 "by symbol, `report_source_last_seen_seconds` by component, "
                 "`reported_NAME` of each recent signal NAME, `upstream_last_event_age_seconds`, "
                 "`portcullis_build_info`, `log_dropped_total`, and the usual `process_*`.\n");
    metrics_describe(tables, GW_LEN(tables), out);
}

static void describe_errors(struct buf *out)
{
    buf_lit(out, "# Errors\n\n| name | HTTP | WebSocket close | try again | text "
                 "|\n|---|---|---|---|---|\n");
    for (unsigned i = 0; i < GW_ERR_COUNT; i++) {
        const struct gw_err_row *row = gw_err_row((enum gw_err)i);

        buf_printf(out, "| `%s` | %u | %u | %s | %s |\n", row->name, row->http_status,
                   row->ws_close, row->retry ? "yes" : "no", row->text);
    }
    buf_lit(out, "\n## Request heads the HTTPS listeners refuse\n\n| status | text |\n|---|---|\n");
    for (unsigned i = 1; i < HEAD_VERDICT_COUNT; i++) {
        buf_printf(out, "| %u | %s |\n", head_rows[i].status, head_rows[i].text);
    }
}

static void describe_limits(struct buf *out)
{
    buf_lit(out,
            "# Limits of a WebSocket client\n\nDefaults; `GET /v1/limits` tells those in force.\n\n"
            "| key | default | what |\n|---|---|---|\n");
    for (size_t i = 0; i < ws_config_table.count; i++) {
        const struct cfg_row *row = &ws_config_table.rows[i];

        buf_printf(out, "| `ws.%s` | %s | %s |\n", row->key, row->fallback, row->help);
    }
    buf_lit(out, "\n# Limits of REST\n\nWhich class a signed route takes from, and how many units: "
                 "[ROUTES.md](ROUTES.md).\n\n| key | default | what |\n|---|---|---|\n");
    for (size_t i = 0; i < limits_config_table.count; i++) {
        const struct cfg_row *row = &limits_config_table.rows[i];

        if (strstr(row->key, "_per_minute") != NULL || strstr(row->key, "_burst") != NULL) {
            buf_printf(out, "| `limits.%s` | %s | %s |\n", row->key, row->fallback, row->help);
        }
    }
}

static void put_routes(struct buf *out, const char *listener, const struct http_route *routes,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "| %s | `GET %s` |\n", listener, routes[i].path);
    }
}

static void describe_routes(struct buf *out)
{
    buf_lit(out, "# Routes\n\n| listener | route |\n|---|---|\n");
    put_routes(out, "public", rest_public_routes, rest_public_route_count);
    put_routes(out, "admin", rest_ops_routes, rest_ops_route_count);
    put_routes(out, "admin", dashboard_routes, dashboard_route_count);
    put_routes(out, "public", openapi_public_routes, openapi_public_route_count);
    put_routes(out, "admin", openapi_admin_routes, openapi_admin_route_count);
    buf_lit(out,
            "| admin | `GET /v1/time` |\n| public | `POST /0/private/GetWebSocketsToken` (Kraken's "
            "signature) |\n\n## Signed routes of the admin listener\n\nRFC 9421, see "
            "[../AUTH.md](../AUTH.md).\n\n");
    api_describe(out);
}

static void describe_scopes(struct buf *out)
{
    buf_lit(out, "# Scopes of keys\n\n| scope | what |\n|---|---|\n");
    for (unsigned i = 0; i < SCOPE_COUNT; i++) {
        buf_printf(out, "| `%s` | %s%s |\n", scope_rows[i].word, scope_rows[i].help,
                   scope_rows[i].admin ? " (such a key needs networks)" : "");
    }
    buf_lit(out, "\n## Why a request was not authentic\n\n`auth_fail_total{reason}`. A reason that "
                 "is not shown looks like `bad_signature` outside.\n\n| reason | shown | text "
                 "|\n|---|---|---|\n");
    for (unsigned i = 1; i < AUTH_FAULT_COUNT; i++) {
        const struct auth_fault_row *row = auth_fault_row((enum auth_fault)i);

        buf_printf(out, "| `%s` | %s | %s |\n", row->word, row->shown ? "yes" : "no", row->text);
    }
}

static const struct {
    const char *name;
    void (*print)(struct buf *out);
} pages[] = {
    {"config", describe_config}, {"metrics", describe_metrics}, {"errors", describe_errors},
    {"limits", describe_limits}, {"routes", describe_routes},   {"scopes", describe_scopes},
    {"roles", people_describe},
};

int describe(const char *what)
{
    struct buf out = {0};

    if (strcmp(what, "openapi") == 0) { /* JSON, no page of docs/ */
        openapi_print(&out);
        fwrite(out.data, 1, out.len, stdout);
        buf_fini(&out);
        return 0;
    }
    for (unsigned i = 0; i < GW_LEN(pages); i++) {
        if (strcmp(pages[i].name, what) == 0) {
            buf_printf(&out, MADE, what);
            pages[i].print(&out);
            fwrite(out.data, 1, out.len, stdout);
            buf_fini(&out);
            return 0;
        }
    }
    fprintf(stderr, "portcullis: no table %s; there are: %s openapi\n", what, DESCRIBE_NAMES);
    return 2;
}
