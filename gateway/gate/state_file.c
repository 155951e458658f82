#include "gateway/gate/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "gateway/audit/file.h"
#include "gateway/control/control_json.h"
#include "gateway/runtime/log.h"

#define NAME      "gate.state"
#define BYTES_MAX (64u << 20)

struct state_file {
    uv_loop_t *loop;
    uv_work_t work;
    char *path;
    bool busy;
    bool again;      /* NEXT came while writing */
    struct buf text; /* being written */
    struct buf next;
    enum gw_err err;
};

static char *path_in(const char *folder)
{
    struct buf b = {0};

    buf_printf(&b, "%s/%s", folder, NAME);
    return (char *)buf_cstr(&b); /* the buffer's memory, handed over */
}

static bool parse(const char *path, const struct buf *text, const struct control **out,
                  struct buf *why)
{
    struct control_error e = {0};

    if (control_parse(text->data, text->len, out, &e) == CONTROL_FINE) {
        return true;
    }
    buf_printf(why,
               "%s cannot be read (%s): if PostgreSQL has the state, move the file away and start "
               "again\n",
               path, e.text);
    return false;
}

bool state_file_read(const char *folder, const struct control **out, struct buf *why)
{
    char *path = folder[0] != '\0' ? path_in(folder) : NULL;
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    struct buf text = {0};
    bool ok = true;

    *out = NULL;
    if (fd >= 0) {
        ok = file_read_all(fd, BYTES_MAX, &text) == GW_OK;
        if (!ok) {
            buf_printf(why, "%s: %s: look at the disk\n", path, strerror(errno));
        }
        ok = ok && parse(path, &text, out, why);
        (void)close(fd);
    } else if (path != NULL && errno != ENOENT) {
        buf_printf(why, "%s: %s: let the gateway's user read it\n", path, strerror(errno));
        ok = false;
    }
    buf_fini(&text);
    free(path);
    return ok;
}

struct state_file *state_file_create(uv_loop_t *loop, const char *folder)
{
    struct state_file *f;

    if (folder[0] == '\0') {
        return NULL;
    }
    f = gw_calloc(1, sizeof *f);
    f->loop = loop;
    f->path = path_in(folder);
    f->work.data = f;
    return f;
}

static void on_work(uv_work_t *work)
{
    struct state_file *f = work->data;

    f->err = file_replace(f->path, f->text.data, f->text.len, 0600);
}

static void start(struct state_file *f);

static void on_done(uv_work_t *work, int status)
{
    struct state_file *f = work->data;

    f->busy = false;
    if (status == 0 && f->err != GW_OK) {
        log_warn("gate", "state_not_kept", "\"path\":%s,\"next\":\"look at the disk\"",
                 log_json(f->path));
    }
    if (f->again) {
        start(f);
    }
}

static void start(struct state_file *f)
{
    struct buf swap = f->text;

    f->text = f->next;
    f->next = swap;
    f->again = false;
    f->busy = uv_queue_work(f->loop, &f->work, on_work, on_done) == 0;
}

void state_file_keep(struct state_file *f, const struct control *c)
{
    if (f == NULL) {
        return;
    }
    buf_reset(&f->next);
    control_print(&f->next, c);
    f->again = true;
    if (!f->busy) {
        start(f);
    }
}

void state_file_destroy(struct state_file **fp)
{
    struct state_file *f = *fp;

    *fp = NULL;
    if (f != NULL) {
        GW_ASSERT(!f->busy);
        buf_fini(&f->text);
        buf_fini(&f->next);
        free(f->path);
        free(f);
    }
}
