/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * khoctl: what its parts share. Each part says in its first comment what it is for.
 *
 * Commands return an exit status. Other functions that return int give 0 or a negative
 * errno, unless they say something else. Memory is never short: an allocation that fails ends
 * the program.
 */
#ifndef KHOCTL_H
#define KHOCTL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses, as the man page has them */
#define EXIT_OK			0
#define EXIT_REFUSED		1
#define EXIT_USAGE		2
#define EXIT_PERMISSION		3
#define EXIT_UNSUPPORTED	4
#define EXIT_NOT_FOUND		5
#define EXIT_SIGNAL		128	/* and the number of the signal */

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

/*
 * util.c
 */

void *xrealloc(void *old, size_t size);
void *xzalloc(size_t size);
char *xstrdup(const char *s);
char *xvasprintf(const char *format, va_list args) __printf(1, 0);
char *xasprintf(const char *format, ...) __printf(1, 2);

/*
 * What is for people is written by these three, a line each, or by put_safe(). Names, reasons and
 * whatever else was read comes from somebody who may want to play with the operator's terminal:
 * all that is not printable ASCII is escaped. Nothing else prints a text that was read or given.
 */

/* A line on stdout */
void say(const char *format, ...) __printf(1, 2);

/* "khoctl: ..." on stderr */
void complain(const char *format, ...) __printf(1, 2);

/* What can be done about it, on stderr; nothing when it is NULL */
void complain_remedy(const char *remedy);

/* Adds how to get help. Returns EXIT_USAGE. */
int misused(const char *command, const char *format, ...) __printf(2, 3);

/*
 * Writes @len bytes with everything that is not printable ASCII as \NNN, three octal digits. A
 * backslash stays as it is: the kernel writes its names in the same way.
 */
void put_safe(FILE *to, const char *s, size_t len);

/*
 * Writes out what stdout has in its buffer. Returns 0, or the errno of the first time when that
 * did not work: a disk is full, nobody reads the pipe any more.
 */
int output_error(void);

/* "EBUSY", or the number when it has no name here */
const char *errno_name(int error);

/* The exit status for an errno */
int status_of_errno(int error);

/* "1.5 GiB"; @buf has 32 bytes and is returned. */
char *format_bytes(char *buf, uint64_t bytes);

/* "1.234 ms"; the same */
char *format_ns(char *buf, int64_t ns);

/*
 * json.c
 */

/**
 * struct json - a JSON text that is being written
 * @to: where to
 * @depth: how many objects and arrays are open
 * @comma: whether the next value of the innermost one needs a comma before it
 */
struct json {
	FILE *to;
	int depth;
	bool comma;
};

/* @key is NULL in arrays and at the top. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *key, const char *value);
void json_bytes(struct json *json, const char *key, const char *value, size_t len);
void json_u64(struct json *json, const char *key, uint64_t value);
void json_s64(struct json *json, const char *key, int64_t value);
void json_hex(struct json *json, const char *key, uint64_t value);
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

/*
 * guests.c: the programs that have to do with guests
 */

#define GUESTS_DIR		"/etc/kho/guests.d"
#define GUESTS_SECONDS		60	/* that each may take, unless it is said */

struct findings;
unsigned int guests_seconds(const char *text);
int guests_call(const char *word, unsigned int seconds);
int guests_ask(const char *word, unsigned int seconds, int (*hear)(const char *name, FILE *said));
void find_guests(struct findings *findings);
int cmd_guests(int argc, char **argv);

/* guests_initramfs.c: prints what they need in an initramfs. Returns as guests_ask() does. */
int guests_initramfs(unsigned int seconds);

/*
 * sysfs.c: the kernel's files, below --root
 */

#define KHO_DIR	"/sys/kernel/kho"

extern const char *root_dir;

/* @path below --root; the caller frees it. */
char *rooted(const char *path);

/* The content with a NUL behind it, or NULL and errno; the caller frees it. */
char *read_file(const char *path, size_t *len);

/*
 * Opens a file that is to be loaded, without touching what is none: opening a FIFO waits, and
 * opening a device may do something. Returns -1 with errno and @why when it cannot be loaded.
 */
int open_to_load(const char *path, const char **why);

/* The content of an open file */
char *read_all(int fd, size_t *len);

/* The same of a file that the operator named; "-" is standard input. */
char *read_input_file(const char *path, size_t *len);

/* The same of a small text, without the newline at its end */
char *read_text(const char *path);
char *read_kho(const char *name);

/* In one write. With --root it is refused. */
int write_kho(const char *name, const char *value);

bool exists(const char *path);

/* Is there handover in this kernel? Says so if not. */
bool have_kho(void);

/*
 * arrived.c: the lists "incoming", "sessions" and "common_data"
 */

/**
 * struct item - a line of "incoming"
 * @name: of a subtree, OWNER/PART, or with a slash at the beginning
 * @state: as the ABI has it
 * @version: of a subtree, else ""
 * @reason: or ""
 */
struct item {
	char *name;
	char *state;
	char *version;
	char *reason;
};

/**
 * struct session_file - a file of a session
 * @token: as listed
 * @kind: as listed
 * @state: as listed
 */
struct session_file {
	char *token;
	char *kind;
	char *state;
};

/**
 * struct session - a session
 * @name: as listed, with escapes
 * @incoming: it came from the old kernel
 * @open: a program has it open
 * @nr_listed: files that the line says it has
 * @nr: files that follow it
 * @file: these
 */
struct session {
	char *name;
	bool incoming;
	bool open;
	unsigned long nr_listed;
	size_t nr;
	struct session_file *file;
};

/**
 * struct common - data that files have in common
 * @name: as listed, with escapes
 * @incoming: it came from the old kernel
 * @state: as the ABI has it
 * @nr: how many files need it; of /damaged how many records there are
 */
struct common {
	char *name;
	bool incoming;
	char *state;
	unsigned long nr;
};

/**
 * struct arrived - all these lists
 * @item: lines of incoming
 * @nr_items: how many
 * @session: sessions
 * @nr_sessions: how many
 * @sessions_error: 0, or why sessions could not be read; ENOENT without support for them
 * @common: common data
 * @nr_common: how much
 * @common_error: likewise; ENOENT also from a kernel that has no such list
 */
struct arrived {
	struct item *item;
	size_t nr_items;
	struct session *session;
	size_t nr_sessions;
	int sessions_error;
	struct common *common;
	size_t nr_common;
	int common_error;
};

void arrived_read(struct arrived *arrived);
void arrived_free(struct arrived *arrived);

bool item_is_subtree(const struct item *item);
bool item_is_device(const struct item *item);
unsigned long session_count(const struct session *session, const char *state);
bool session_is_damaged(const struct session *session);

bool common_is_damaged(const struct common *common);

/* Why finalize is refused as long as files of the old kernel need this, or NULL */
const char *common_in_the_way(const struct arrived *arrived, const struct common *common);

/*
 * holders.c
 */

/**
 * struct holder - a process that has such a descriptor open
 * @pid: the process
 * @comm: its name
 * @what: the descriptor, as /proc has it
 * @fd: its number
 */
struct holder {
	int pid;
	char *comm;
	char *what;
	int fd;
};

/**
 * struct holders - all of them
 * @holder: the processes
 * @nr: how many
 * @hidden: processes that could not be looked at
 */
struct holders {
	struct holder *holder;
	size_t nr;
	unsigned int hidden;
};

void holders_read(struct holders *holders);
void holders_free(struct holders *holders);
bool holder_is_session(const struct holder *holder);

/* The name of the session that is held, as listed, or NULL; needs to be root. */
char *holder_session(const struct holder *holder);

/*
 * image.c: what a bzImage says about itself
 */

/**
 * struct image - a kernel image
 * @why_not: NULL when it can receive a handover, else why it cannot
 * @is_kernel: it is a kernel's, at least
 * @setup_type_max: highest type of setup_data that it knows, 0 when it does not say
 * @init_size: memory that it needs to start
 * @cmdline_max: the longest command line that can be loaded with it
 * @nr: versions that it can restore
 * @version: these, escaped
 */
struct image {
	const char *why_not;
	bool is_kernel;
	uint32_t setup_type_max;
	uint32_t init_size;
	size_t cmdline_max;
	size_t nr;
	char **version;
};

/* Looks at @len bytes. What it finds does not point into these. */
void image_parse(struct image *image, const unsigned char *bytes, size_t len);

/* Returns NULL, or why the file cannot be looked at, with errno. */
const char *image_read(struct image *image, const char *path);
void image_of_list(struct image *image, const char *list);
void image_free(struct image *image);
bool image_restores(const struct image *image, const char *version);

/* The same of a kind of file; the first images listed none, and had some. */
bool image_restores_kind(const struct image *image, const char *kind);

/* Another version of the same owner that it can restore, or NULL */
const char *image_other_version(const struct image *image, const char *version);

/*
 * cmdline.c: command lines of kernels; whoever looks at one looks with these.
 */

/**
 * struct param - a parameter
 * @name: its name
 * @value: without quotes around it, NULL when there is no '='
 */
struct param {
	char *name;
	char *value;
};

/*
 * Takes the next parameter and moves @at behind it. Returns false at the end, which may be a "--";
 * @at is there then.
 */
bool param_next(const char **at, struct param *param);
void param_free(struct param *param);
bool param_is(const struct param *param, const char *name);

/* Is there a parameter of that name? */
bool cmdline_has(const char *cmdline, const char *name);

/* Does it say that the kernel restores this version with a module? */
bool cmdline_promises(const char *cmdline, const char *version);
uint64_t cmdline_huge(const char *cmdline);
uint64_t cmdline_crash(const char *cmdline, uint64_t ram);

/* The parameter by which no IOMMU would translate, or NULL */
const char *cmdline_untranslated(const char *cmdline);

/* @own is reused unless it is NULL, with @append, which may be NULL, added. To be freed. */
char *cmdline_next_kernel(const char *own, const char *append);

/*
 * findings.c, and findings_devices.c, _host.c, _image.c, _kernel.c and _next.c: what check finds
 */

/**
 * struct next - the kernel that is to be started
 * @image: its file, or NULL when only the machine is looked at
 * @initrd: its initrd, or NULL
 * @append: what is added to its command line, or NULL
 * @reuse: its command line begins with this kernel's
 * @no_initrd: it is meant to have none
 * @no_root: its command line is meant to have no root=
 * @allow_unreadable: versions that it cannot restore are no reason against it
 */
struct next {
	const char *image, *initrd, *append;
	bool reuse, no_initrd, no_root, allow_unreadable;
};

/* Takes an option of these, with its value, and moves @i to its last word. */
bool next_option(struct next *next, int argc, char **argv, int *i);

/* Its command line, to be freed; NULL when it is not known */
char *next_cmdline(const struct next *next);

enum verdict { FINDING_OK, FINDING_NOTE, FINDING_UNKNOWN, FINDING_NO };

/**
 * struct finding - one of them
 * @verdict: what it means for a live update
 * @topic: "kernel", "command line", "IOMMU", ...
 * @what: the finding
 * @remedy: or NULL
 */
struct finding {
	enum verdict verdict;
	const char *topic;
	char *what;
	char *remedy;
};

/**
 * struct findings - what has been found so far
 * @finding: all of them
 * @nr: how many
 * @nr_devices: devices bound to vfio-pci
 * @next: the kernel that is to be started
 * @doing: it is not only a question; what was not said is a reason
 */
struct findings {
	struct finding *finding;
	size_t nr;
	unsigned int nr_devices;
	const struct next *next;
	bool doing;
};

#define DEVICE_DIR	"/sys/bus/pci/devices"

/* A file of a PCI device's, or NULL; to be freed. */
char *device_text(const char *address, const char *file);

/* The name of its driver, NULL when it has none; to be freed. */
char *device_driver(const char *address);

void find(struct findings *findings, enum verdict verdict, const char *topic, const char *remedy,
	  const char *format, ...) __printf(5, 6);
void findings_free(struct findings *findings);
size_t findings_count(const struct findings *findings, enum verdict verdict);
void find_kernel(struct findings *findings);
void find_cmdlines(struct findings *findings);
void find_devices(struct findings *findings);
void find_host_devices(struct findings *findings);
void find_state(struct findings *findings, const struct arrived *arrived);
void find_image(struct findings *findings, const struct arrived *arrived);
void find_in_sealed(struct findings *findings, const char *blob, size_t len);
void find_initrd(struct findings *findings);
void find_cmdline_length(struct findings *findings, const struct image *image);
void find_huge(struct findings *findings, const struct image *image);
void find_room(struct findings *findings, const struct image *image);
void find_no_file(struct findings *findings, const char *topic, const char *path, const char *why,
		  int error);
void find_all(struct findings *findings);
const char *verdict_name(enum verdict verdict);

/*
 * steps.c
 */

/* One step, like "activate" to "1"; says what the kernel has to say when it is refused. */
int step(const char *file, const char *value);

/* A line that says what was done, for commands that change something; see steps.c. */
void say_done(const char *format, ...) __printf(1, 2);

/* What can be done about a refusal, or NULL */
const char *step_remedy(const char *step, int error);

/* last_error of the kernel on stderr, if there is one */
void say_last_error(void);

/* Undoes finalize and activate, as far as they were done. */
int undo_steps(bool finalized, bool activated);

/*
 * attempt.c: what kexec and rehearse do, step by step, and how it is undone
 */

/**
 * struct attempt - a live update that is tried
 * @next: the kernel that is to be started
 * @guests_seconds: how long each program of GUESTS_DIR may take
 * @quiet: no progress is shown
 * @loaded: the image has to be unloaded
 * @activated: activate has to be undone
 * @finalized: finalize has to be undone
 * @allowed: allow_unreadable has to be written back
 * @guests: guests have to be told that there is no next kernel
 */
struct attempt {
	struct next next;
	unsigned int guests_seconds;
	bool quiet;
	bool loaded, activated, finalized, allowed, guests;
};

void attempt_begin(struct attempt *attempt);
void attempt_end(void);
int attempt_allow(struct attempt *attempt);
int attempt_guests(struct attempt *attempt, const char *word, const char *done);
int attempt_load(struct attempt *attempt);
int attempt_step(const char *file, bool *done);
int attempt_undo(struct attempt *attempt);

/* 0, or why no further step is to be taken */
int attempt_interrupted(void);

/* The number of a signal that has come, or 0 */
int attempt_signal(void);

/* In a child: signals are as they were when khoctl was started. */
void attempt_own_signals(void);

/* The monotonic clock */
int64_t now_ns(void);

/* A line about a step that is over, with the time that it took */
void progress(const char *what, const char *result, int64_t since);

/*
 * fdt_words.c: what the properties of the kernel's trees mean
 */

enum value_type {
	VALUE_BYTES, VALUE_STRING, VALUE_ADDRESS, VALUE_SIZE, VALUE_NUMBER, VALUE_CHECKSUM,
	VALUE_NATIVE_ADDRESS, VALUE_VMALLOC, VALUE_PCI_DEVICES, VALUE_PCI_SRIOV, VALUE_TEST_SETS,
	VALUE_TREE,
};

/**
 * struct meaning - of a property
 * @type: how its bytes are to be read
 * @text: what it is, or NULL
 */
struct meaning {
	enum value_type type;
	const char *text;
};

/* @compatible: of the tree. The value is at most of the type that its length allows. */
struct meaning meaning_of(const char *compatible, int depth, const char *name,
			  const unsigned char *value, int len);

/* What a tree with this version is, or NULL */
const char *tree_words(const char *compatible);

uint64_t value_u64(const unsigned char *value, enum value_type type);
uint64_t native_u64(const unsigned char *value);
uint32_t native_u32(const unsigned char *value);
bool value_is_strings(const unsigned char *value, int len);
bool value_is_tree(const unsigned char *value, int len);

/**
 * struct tree - a tree in a file that is intact
 * @fdt: where it is in memory
 * @offset: where it is in the file
 * @size: its bytes
 * @compatible: of its root, or NULL
 * @checksum: kho_checksum() of it
 */
struct tree {
	const void *fdt;
	size_t offset;
	size_t size;
	const char *compatible;
	uint64_t checksum;
};

/* Another tree of the file that is what this node of a blob describes, or NULL */
const struct tree *tree_described(const struct tree *trees, size_t nr, const void *fdt, int node);

void dump_text(FILE *to, const struct tree *trees, size_t nr);
void dump_json(FILE *to, const struct tree *trees, size_t nr);
void dump_dts(FILE *to, const struct tree *tree);

/* Finds the trees in a file's bytes. Gives their number, or -1 with the reason in @why. */
int dump_find(const unsigned char *bytes, size_t len, struct tree **trees, const char **why);

/*
 * timeline.c, timeline_svg.c
 */

/**
 * struct stage - a line of the timeline
 * @kernel: "old" or "next"
 * @name: of the stage
 * @what: the owner or session, or "-"
 * @begin: nanoseconds from the begin of the jump
 * @duration: nanoseconds
 */
struct stage {
	char *kernel;
	char *name;
	char *what;
	int64_t begin;
	int64_t duration;
};

/**
 * struct timeline - all of them
 * @stage: sorted by begin
 * @nr: how many
 * @blackout: nanoseconds from the begin of the jump to the next kernel's /init, -1 when not known
 */
struct timeline {
	struct stage *stage;
	size_t nr;
	int64_t blackout;
};

unsigned int timeline_read(struct timeline *timeline, char *text, bool details);
void timeline_free(struct timeline *timeline);
const char *stage_words(const char *name);
void timeline_svg(FILE *to, const struct timeline *timeline);

/*
 * Commands. argv[0] is the command's name.
 */

int cmd_status(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_discard(int argc, char **argv);
int cmd_activate(int argc, char **argv);
int cmd_finalize(int argc, char **argv);
int cmd_abort(int argc, char **argv);
int cmd_kexec(int argc, char **argv);
int cmd_rehearse(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_timeline(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_compat(int argc, char **argv);

/* Prints a command's help. Returns EXIT_OK. */
int help(const char *command);

#endif
