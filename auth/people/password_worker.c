#include "auth/people/password_worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auth/people/password.h"
#include "auth/secret_mem.h"

struct job {
    struct job *next;
    password_result_fn *cb;
    void *arg;
    bool hash_it;
    bool nobody; /* judged by the hash of no one */
    char phc[PASSWORD_HASH_SIZE];
    char password[PASSWORD_BYTES_MAX + 1];
    enum gw_err err;
};
struct list {
    struct job *first;
    struct job *last;
};

struct password_worker {
    uv_async_t async;
    pthread_t thread;
    unsigned places; /* taken */
    bool closing;
    void (*on_closed)(void *arg);
    void *on_closed_arg;
    char nobody[PASSWORD_HASH_SIZE];
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t news;
    struct list to_do;
    struct list done;
    bool end;
};

static void put(struct list *l, struct job *job)
{
    job->next = NULL;
    if (l->first == NULL) {
        l->first = job;
    } else {
        l->last->next = job;
    }
    l->last = job;
}

static struct job *take(struct list *l)
{
    struct job *job = l->first;

    if (job != NULL) {
        l->first = job->next;
    }
    return job;
}

static void work(struct job *job)
{
    size_t len = strlen(job->password);

    if (job->hash_it) {
        job->err = password_hash(job->password, len, job->phc);
    } else {
        job->err = password_verify(job->phc, job->password, len);
        if (job->nobody && job->err == GW_OK) {
            job->err = GW_ENOTFOUND;
        }
    }
}

static void *run(void *arg)
{
    struct password_worker *w = arg;

    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        struct job *job = take(&w->to_do);

        if (job != NULL) {
            (void)pthread_mutex_unlock(&w->lock);
            work(job);
            (void)pthread_mutex_lock(&w->lock);
            put(&w->done, job);
            (void)uv_async_send(&w->async);
        } else if (w->end) {
            break;
        } else {
            (void)pthread_cond_wait(&w->news, &w->lock);
        }
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void on_async_closed(uv_handle_t *handle)
{
    struct password_worker *w = handle->data;

    w->on_closed(w->on_closed_arg);
}

/* Nothing is left for the thread: it ends at once. */
static void end_thread(struct password_worker *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->end = true;
    (void)pthread_cond_signal(&w->news);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    uv_close((uv_handle_t *)&w->async, on_async_closed);
}

static void on_async(uv_async_t *async)
{
    struct password_worker *w = async->data;

    for (;;) {
        struct job *job;
        void *memory;

        (void)pthread_mutex_lock(&w->lock);
        job = take(&w->done);
        (void)pthread_mutex_unlock(&w->lock);
        if (job == NULL) {
            return;
        }
        w->places--;
        job->cb(job->arg, &(struct password_result){
                              .err = job->err,
                              .hash = job->hash_it ? job->phc : "",
                              .weak = job->err == GW_OK && !job->hash_it && password_weak(job->phc),
                          });
        memory = job;
        secret_mem_put(&memory, sizeof *job);
        if (w->closing && w->places == 0) {
            end_thread(w);
            return;
        }
    }
}

struct password_worker *password_worker_create(uv_loop_t *loop)
{
    struct password_worker *w = gw_calloc(1, sizeof *w);
    char password[PASSWORD_MADE_SIZE];

    GW_ASSERT(password_make(password) == GW_OK);
    GW_ASSERT(password_hash(password, strlen(password), w->nobody) == GW_OK);
    GW_ASSERT(uv_async_init(loop, &w->async, on_async) == 0);
    w->async.data = w;
    GW_ASSERT(pthread_mutex_init(&w->lock, NULL) == 0 && pthread_cond_init(&w->news, NULL) == 0);
    GW_ASSERT(pthread_create(&w->thread, NULL, run, w) == 0);
    return w;
}

void password_worker_close(struct password_worker *w, void (*done)(void *arg), void *arg)
{
    GW_ASSERT(!w->closing);
    w->closing = true;
    w->on_closed = done;
    w->on_closed_arg = arg;
    if (w->places == 0) {
        end_thread(w);
    }
}

void password_worker_destroy(struct password_worker **wp)
{
    struct password_worker *w = *wp;

    *wp = NULL;
    (void)pthread_mutex_destroy(&w->lock);
    (void)pthread_cond_destroy(&w->news);
    free(w);
}

bool password_worker_take(struct password_worker *w)
{
    if (w->places == PASSWORD_PLACES || w->closing) {
        return false;
    }
    w->places++;
    return true;
}

void password_worker_give(struct password_worker *w)
{
    GW_ASSERT(w->places > 0);
    if (--w->places == 0 && w->closing) {
        end_thread(w);
    }
}

static void submit(struct password_worker *w, struct job *job, const char *password)
{
    GW_ASSERT(w->places > 0 && strlen(password) <= PASSWORD_BYTES_MAX);
    (void)snprintf(job->password, sizeof job->password, "%s", password);
    (void)pthread_mutex_lock(&w->lock);
    put(&w->to_do, job);
    (void)pthread_cond_signal(&w->news);
    (void)pthread_mutex_unlock(&w->lock);
}

void password_worker_verify(struct password_worker *w, const char *phc, const char *password,
                            password_result_fn *cb, void *arg)
{
    struct job *job = secret_mem_get(sizeof *job);

    job->cb = cb;
    job->arg = arg;
    job->nobody = phc == NULL;
    (void)snprintf(job->phc, sizeof job->phc, "%s", phc != NULL ? phc : w->nobody);
    submit(w, job, password);
}

void password_worker_hash(struct password_worker *w, const char *password, password_result_fn *cb,
                          void *arg)
{
    struct job *job = secret_mem_get(sizeof *job);

    job->cb = cb;
    job->arg = arg;
    job->hash_it = true;
    submit(w, job, password);
}
