#include "gateway/incident/incident.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "gateway/base/fixed.h"
#include "gateway/base/json_put.h"

#define AS_WORD(sym, word) word,
const char *const incident_state_words[INCIDENT_STATE_COUNT] = {INCIDENT_STATES(AS_WORD)};
const char *const incident_class_words[INCIDENT_CLASS_COUNT] = {INCIDENT_CLASSES(AS_WORD)};
const char *const incident_source_words[INCIDENT_SOURCE_COUNT] = {INCIDENT_SOURCES(AS_WORD)};
const char *const incident_detector_words[INCIDENT_DETECTOR_COUNT] = {INCIDENT_DETECTORS(AS_WORD)};
const char *const incident_mitigation_words[INCIDENT_MITIGATION_COUNT] = {
    INCIDENT_MITIGATIONS(AS_WORD)};
const char *const incident_signal_words[INCIDENT_SIGNAL_COUNT] = {INCIDENT_SIGNALS(AS_WORD)};
const char *const incident_role_words[INCIDENT_ROLE_COUNT] = {INCIDENT_ROLES(AS_WORD)};
const char *const incident_l3_words[INCIDENT_L3_COUNT] = {INCIDENT_L3S(AS_WORD)};

unsigned incident_word(const char *const *words, unsigned count, const char *word)
{
    unsigned i = 0;

    while (i < count && strcmp(words[i], word) != 0) {
        i++;
    }
    return i;
}

enum incident_class incident_class_parse(const char *word)
{
    return (enum incident_class)incident_word(
        incident_class_words, INCIDENT_CLASS_COUNT,
        strcmp(word, "broker/connectivity") == 0 ? "broker_connectivity" : word);
}

/* --- memory -------------------------------------------------------------------------------------
 */

void incident_set(char **text, const char *value)
{
    free(*text);
    *text = value != NULL && value[0] != '\0' ? gw_strdup(value) : NULL;
}

void incident_destroy(struct incident **ip)
{
    struct incident *i = *ip;

    *ip = NULL;
    if (i == NULL) {
        return;
    }
    for (size_t n = 0; n < i->step_count; n++) {
        free(i->steps[n].id);
        free(i->steps[n].by);
        free(i->steps[n].notes);
        free(i->steps[n].answer);
    }
    free(i->steps);
    free(i->title);
    free(i->summary);
    free(i->signal_key);
    free(i->symbol);
    free(i->component);
    free(i->playbook);
    free(i->opened_by);
    free(i->acked_by);
    free(i->commander);
    free(i->scribe);
    free(i->assignee);
    free(i->root_cause);
    free(i->postmortem_url);
    free(i->tasks);
    free(i);
}

static const size_t ask_texts[] = {
#define AS_OFFSET(m) offsetof(struct incident_ask, m),
    INCIDENT_ASK_TEXTS(AS_OFFSET)};

static const char **ask_text(struct incident_ask *a, size_t n)
{
    return (const char **)(void *)((char *)a + ask_texts[n]);
}

struct incident_ask *incident_ask_copy(const struct incident_ask *a)
{
    struct incident_ask *copy = gw_malloc(sizeof *copy);

    *copy = *a;
    for (size_t n = 0; n < GW_LEN(ask_texts); n++) {
        const char **text = ask_text(copy, n);

        *text = *text != NULL ? gw_strdup(*text) : NULL;
    }
    return copy;
}

void incident_ask_destroy(struct incident_ask **ap)
{
    struct incident_ask *a = *ap;

    *ap = NULL;
    for (size_t n = 0; a != NULL && n < GW_LEN(ask_texts); n++) {
        free((char *)*ask_text(a, n));
    }
    free(a);
}

/* --- names and questions ------------------------------------------------------------------------
 */

void incident_name(uint64_t number, char out[INCIDENT_NAME_MAX])
{
    (void)snprintf(out, INCIDENT_NAME_MAX, "INC-%" PRIu64, number);
}

bool incident_name_parse(const char *text, uint64_t *number)
{
    if (strncmp(text, "INC-", 4) == 0 || strncmp(text, "inc-", 4) == 0) {
        text += 4;
    }
    return text[0] != '0' && u64_parse(text, strlen(text), number) == GW_OK && *number <= INT64_MAX;
}

const struct incident_step *incident_step(const struct incident *i, const char *id)
{
    for (size_t n = 0; n < i->step_count; n++) {
        if (strcmp(i->steps[n].id, id) == 0) {
            return &i->steps[n];
        }
    }
    return NULL;
}

bool incident_blocks(const struct incident *i)
{
    return i->state != INCIDENT_CLOSED && severity_critical(i->severity) && i->root_cause == NULL;
}

bool incident_fail(struct incident_problem *p, enum incident_fault fault, const char *field,
                   const char *fmt, ...)
{
    va_list args;

    *p = (struct incident_problem){.fault = fault};
    (void)snprintf(p->field, sizeof p->field, "%s", field);
    va_start(args, fmt);
    (void)vsnprintf(p->detail, sizeof p->detail, fmt, args);
    va_end(args);
    return false;
}

void incident_missing(const struct incident *i, const char *url, struct buf *out)
{
    const char *comma = "";

    if (i->root_cause == NULL && i->severity != SEV4) {
        buf_lit(out, "\"root_cause\"");
        comma = ",";
    }
    if (i->postmortem_required && i->postmortem_url == NULL && url == NULL) {
        buf_printf(out, "%s\"postmortem\"", comma);
    }
}

/* --- JSON ---------------------------------------------------------------------------------------
 */

static void put_signal(struct buf *out, const struct incident *i)
{
    if (i->signal_key == NULL) {
        buf_lit(out, ",\"signal\":null");
        return;
    }
    buf_lit(out, ",\"signal\":{\"key\":");
    buf_json_str(out, i->signal_key, strlen(i->signal_key));
    json_put_text(out, "state", incident_signal_words[i->signal]);
    json_put_time(out, "since", i->signal_since_ns);
    json_put_time(out, "cleared_at", i->signal_cleared_ns);
    buf_putc(out, '}');
}

static void put_clocks(struct buf *out, const struct incident *i)
{
    json_put_time(out, "opened_at", i->opened_ns);
    json_put_text(out, "opened_by", i->opened_by);
    json_put_time(out, "ack_due_at", i->ack_due_ns);
    json_put_time(out, "acked_at", i->acked_ns);
    json_put_text(out, "acked_by", i->acked_by);
    json_put_text(out, "mitigation", incident_mitigation_words[i->mitigation]);
    json_put_time(out, "mitigated_at", i->mitigated_ns);
    json_put_time(out, "resolved_at", i->resolved_ns);
    json_put_time(out, "closed_at", i->closed_ns);
    buf_printf(out, ",\"reopened\":%" PRIu64 ",\"level\":%" PRIu64, i->reopened, i->level);
    json_put_time(out, "level_next_at", i->level_next_ns);
}

void incident_print(const struct incident *i, struct buf *out)
{
    buf_printf(out,
               "\"id\":\"INC-%" PRIu64 "\",\"number\":%" PRIu64 ",\"version\":%" PRIu64
               ",\"severity\":\"%s\",\"state\":\"%s\"",
               i->number, i->number, i->version, severity_rows[i->severity].word,
               incident_state_words[i->state]);
    json_put_text(out, "class",
                  i->class_ != INCIDENT_CLASS_COUNT ? incident_class_words[i->class_] : NULL);
    json_put_text(out, "title", i->title);
    json_put_text(out, "summary", i->summary);
    json_put_text(out, "source", incident_source_words[i->source]);
    json_put_text(out, "detected_by", incident_detector_words[i->detected_by]);
    put_signal(out, i);
    json_put_text(out, "symbol", i->symbol);
    json_put_text(out, "component", i->component);
    json_put_text(out, "playbook", i->playbook);
    put_clocks(out, i);
    json_put_text(out, "commander", i->commander);
    json_put_text(out, "scribe", i->scribe);
    json_put_text(out, "assignee", i->assignee);
    json_put_text(out, "root_cause", i->root_cause);
    buf_printf(out, ",\"postmortem_required\":%s", i->postmortem_required ? "true" : "false");
    json_put_text(out, "postmortem_url", i->postmortem_url);
    json_put_time(out, "postmortem_due_at", i->postmortem_due_ns);
    buf_printf(out, ",\"postmortem_reminders\":%" PRIu64, i->reminded);
    buf_printf(out, ",\"tasks\":%s", i->tasks != NULL ? i->tasks : "[]");
    buf_puts(out, i->l3 == L3_PROPOSED
                      ? ",\"l3_proposal\":{\"mode\":\"SOFT_HALT\",\"target\":\"*\"}"
                      : ",\"l3_proposal\":null");
}

void incident_print_state(const struct incident *i, struct buf *out)
{
    buf_printf(out,
               "{\"severity\":\"%s\",\"state\":\"%s\",\"mitigation\":\"%s\",\"level\":%" PRIu64
               ",\"l3\":\"%s\"",
               severity_rows[i->severity].word, incident_state_words[i->state],
               incident_mitigation_words[i->mitigation], i->level, incident_l3_words[i->l3]);
    json_put_text(out, "class",
                  i->class_ != INCIDENT_CLASS_COUNT ? incident_class_words[i->class_] : NULL);
    json_put_text(out, "acked_by", i->acked_by);
    json_put_text(out, "commander", i->commander);
    json_put_text(out, "scribe", i->scribe);
    json_put_text(out, "assignee", i->assignee);
    json_put_text(out, "root_cause", i->root_cause);
    json_put_text(out, "postmortem_url", i->postmortem_url);
    if (i->signal_key != NULL) {
        json_put_text(out, "signal", incident_signal_words[i->signal]);
    }
    buf_putc(out, '}');
}
