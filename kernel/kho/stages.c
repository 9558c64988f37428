// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long the stages of a handover take, across the jump.
 *
 * Life cycle: the old kernel notes begin and end of its stages in one page, the
 * last of them when it leaves; the page is preserved with the header page, which
 * points to it. The next kernel takes stamps in early boot, checks the page, and
 * goes on in memory of its own with the stages of restoring. Both are listed in
 * /sys/kernel/kho/timeline until that kernel ends. A step that is undone and done
 * again starts its part of the page anew.
 *
 * The clock is the time-stamp counter, which goes on over a kexec; this kernel's
 * rate of it turns both kernels' stamps into nanoseconds. Without one, or if it was
 * set back, there is no timeline: nothing else depends on it.
 *
 * Locks: stages_lock for both lists, innermost. Early stamps need none, and what
 * the old kernel notes while it leaves is noted by one processor.
 */
#define pr_fmt(fmt) "kho: " fmt

#include <linux/ctype.h>
#include <linux/device.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/kho/abi/stages.h>
#include <asm/tsc.h>

#include "internal.h"
#include "trace.h"

/* Stages of restoring that are kept; those that come later are not listed. */
#define IN_STAGES_MAX	128

/* Of a line without its last field, and of that when every byte is escaped */
#define LINE_MAX	(64 + KHO_STAGE_NAME_MAX + 4 * KHO_STAGE_WHAT_MAX)

static DEFINE_SPINLOCK(stages_lock);

/* What this kernel does as the old one; NULL until it is first needed */
static struct kho_stages_ser *out;
/* Entries of @out that undoing and repeating finalize leaves */
static u32 nr_activate;
static struct kho_stage_ser *leaving;

/* What the kernel before this one noted, and what this one did since */
static struct kho_stages_ser *in_old __ro_after_init;
static struct kho_stage_ser *in_new __ro_after_init;
static u32 nr_in_new;

static u64 stamps[KHO_NR_STAMPS];

/* Parts of early boot, until the rest is there to list them with */
static struct kho_stage_ser parts[8] __initdata;
static unsigned int nr_parts __initdata;

/* Now, by the clock that both kernels have. */
u64 kho_stage_begin(void)
{
	return rdtsc_ordered();
}
EXPORT_SYMBOL_GPL(kho_stage_begin);

static u64 to_ns(u64 cycles)
{
	return mul_u64_u32_div(cycles, USEC_PER_SEC, tsc_khz);
}

static void fill(struct kho_stage_ser *entry, const char *stage,
		 const char *what, u64 begin, u64 end)
{
	memset(entry, 0, sizeof(*entry));
	strscpy(entry->stage, stage);
	strscpy(entry->what, what);
	entry->begin = begin;
	entry->end = end;
}

static void report(const char *stage, const char *what, u64 begin, u64 end)
{
	u64 ns = tsc_khz ? to_ns(end - begin) : 0;

	trace_kho_stage(stage, what, ns);
	pr_debug("%s %s: %llu ns\n", stage, what[0] ? what : "-", ns);
}

/*
 * The old kernel
 */

/**
 * kho_stages_pa - the page that the header page is to point to
 *
 * Context: may sleep; kho_lock held.
 * Return: its physical address, 0 without memory: then there is no timeline
 */
phys_addr_t kho_stages_pa(void)
{
	lockdep_assert_held(&kho_lock);
	if (!out) {
		struct kho_stages_ser *page = kho_alloc_pages(0);

		if (page)
			page->magic = KHO_STAGES_MAGIC;
		WRITE_ONCE(out, page);
	}
	return out ? virt_to_phys(out) : 0;
}

/* The same without lock: 0 when there is none yet. It never goes away. */
phys_addr_t kho_stages_page(void)
{
	void *page = READ_ONCE(out);

	return page ? virt_to_phys(page) : 0;
}

/**
 * kho_stage_open - a step of the old kernel, or an owner's part of it, begins
 * @stage: its name
 * @what: the owner, or "" for the whole step
 *
 * Context: kho_lock held, may sleep.
 * Return: for kho_stage_close(); NULL when there is no room
 */
struct kho_stage_ser *kho_stage_open(const char *stage, const char *what)
{
	u64 now = kho_stage_begin();
	struct kho_stage_ser *entry;

	if (!kho_stages_pa() || out->nr == KHO_STAGES_MAX)
		return NULL;
	spin_lock(&stages_lock);
	entry = &out->stage[out->nr++];
	fill(entry, stage, what, now, now);
	spin_unlock(&stages_lock);
	return entry;
}

/**
 * kho_stage_close - the end of what kho_stage_open() began
 * @entry: what it returned
 */
void kho_stage_close(struct kho_stage_ser *entry)
{
	if (!entry)
		return;
	entry->end = kho_stage_begin();
	report(entry->stage, entry->what, entry->begin, entry->end);
}

/**
 * kho_stages_restart - forget what was noted of a step and of those after it
 * @activate: of activate and finalize, else of finalize alone
 *
 * Context: kho_lock held, may sleep.
 */
void kho_stages_restart(bool activate)
{
	if (!kho_stages_pa())
		return;
	spin_lock(&stages_lock);
	if (activate)
		nr_activate = 0;
	else if (!nr_activate)
		nr_activate = out->nr;
	out->nr = nr_activate;
	spin_unlock(&stages_lock);
}

/**
 * kho_stages_jump - a jump has begun, and cannot be refused any more
 * @begin: kho_stage_begin() at its begin
 *
 * Context: kho_lock held, may sleep.
 */
void kho_stages_jump(u64 begin)
{
	leaving = kho_stage_open("shutdown", "");
	if (out)
		out->jump = begin;
}

/**
 * kho_stages_leave - the old kernel ends here
 *
 * Context: one processor, devices are shut down.
 */
void kho_stages_leave(void)
{
	if (leaving)
		leaving->end = kho_stage_begin();
}

/*
 * The next kernel
 */

/**
 * kho_stage_stamp - note that early boot has got somewhere
 * @stamp: where
 */
void kho_stage_stamp(enum kho_stamp stamp)
{
	stamps[stamp] = kho_stage_begin();
}

/**
 * kho_boot_part - note a part of early boot that may take long
 * @stage: its name
 * @what: which part of that it is, or ""
 * @begin: kho_stage_begin() when it began
 *
 * Context: one processor, before initcalls
 */
void __init kho_boot_part(const char *stage, const char *what, u64 begin)
{
	if (nr_parts < ARRAY_SIZE(parts))
		fill(&parts[nr_parts++], stage, what, begin, kho_stage_begin());
}

/**
 * kho_stage_note - note a stage of this kernel that is over
 * @stage: its name, without blanks
 * @what: whose it is, or ""
 * @begin: kho_stage_begin() when it began
 * @end: the same when it ended
 *
 * Context: any but NMI and hard interrupts.
 */
void kho_stage_note(const char *stage, const char *what, u64 begin, u64 end)
{
	spin_lock(&stages_lock);
	if (in_new && nr_in_new < IN_STAGES_MAX)
		fill(&in_new[nr_in_new++], stage, what, begin, end);
	spin_unlock(&stages_lock);
	report(stage, what, begin, end);
}

/**
 * kho_stage_end - note a stage of restoring
 * @stage: its name, without blanks
 * @what: whose it is: an owner, a session, or ""
 * @begin: kho_stage_begin() when it began
 *
 * Context: any but NMI and hard interrupts.
 */
void kho_stage_end(const char *stage, const char *what, u64 begin)
{
	kho_stage_note(stage, what, begin, kho_stage_begin());
}
EXPORT_SYMBOL_GPL(kho_stage_end);

/**
 * kho_note_device - trace what a step of a handover does with a device
 * @dev: the device
 * @step: the step
 * @rc: 0 or why it failed
 *
 * Context: any but NMI.
 */
void kho_note_device(const struct device *dev, const char *step, int rc)
{
	trace_kho_device(dev_name(dev), step, rc);
	pr_debug("%s: %s: %d\n", dev_name(dev), step, rc);
}
EXPORT_SYMBOL_GPL(kho_note_device);

static bool is_text(const char *s, size_t size)
{
	size_t len = strnlen(s, size);
	size_t i;

	for (i = 0; i < len; i++)
		if (!isascii(s[i]) || !isgraph(s[i]))
			return false;
	return len < size;
}

static bool __init page_ok(const struct kho_stages_ser *page)
{
	u32 i;

	if (page->magic != KHO_STAGES_MAGIC || page->nr > KHO_STAGES_MAX ||
	    page->jump > stamps[KHO_STAMP_SETUP])
		return false;
	for (i = 0; i < page->nr; i++) {
		const struct kho_stage_ser *entry = &page->stage[i];

		if (!entry->stage[0] ||
		    !is_text(entry->stage, sizeof(entry->stage)) ||
		    !is_text(entry->what, sizeof(entry->what)) ||
		    entry->begin > entry->end ||
		    entry->end > stamps[KHO_STAMP_SETUP])
			return false;
	}
	return true;
}

static void __init add_boot(const struct kho_stages_ser *page)
{
	u64 setup = stamps[KHO_STAMP_SETUP];
	u64 left = page->nr ? page->stage[page->nr - 1].end : page->jump;
	unsigned int i;

	kho_stage_note("start", "", left, setup);
	kho_stage_note("memory", "", setup, stamps[KHO_STAMP_MEMORY]);
	for (i = 0; i < nr_parts; i++)
		kho_stage_note(parts[i].stage, parts[i].what, parts[i].begin,
			       parts[i].end);
}

/**
 * kho_stages_init - take over what the old kernel noted
 * @page: its page, which has been restored
 *
 * Context: core_initcall.
 */
void __init kho_stages_init(struct kho_stages_ser *page)
{
	in_new = kcalloc(IN_STAGES_MAX, sizeof(*in_new), GFP_KERNEL);
	if (!in_new || !page_ok(page)) {
		pr_warn("no timeline: %s\n", in_new ?
			"damaged, or the clock was set back" : "no memory");
		kfree(in_new);
		in_new = NULL;
		free_page((unsigned long)page);
		return;
	}
	in_old = page;
	add_boot(page);
}

/* Userspace was about to start at @end. */
void kho_stages_boot_ends(u64 end)
{
	if (in_old)
		kho_stage_note("boot", "", stamps[KHO_STAMP_MEMORY], end);
}

static int show(char *buf, const char *kernel, const struct kho_stage_ser *entry,
		bool names)
{
	bool before = entry->begin < in_old->jump;
	u64 begin = before ? in_old->jump - entry->begin :
			     entry->begin - in_old->jump;
	int len;

	len = sprintf(buf, "%s %s %s%llu %llu ", kernel, entry->stage,
		      before ? "-" : "", to_ns(begin),
		      to_ns(entry->end - entry->begin));
	if (entry->what[0] && names)
		len += kho_escape(buf + len, entry->what);
	else
		buf[len++] = '-';
	buf[len++] = '\n';
	return len;
}

/**
 * kho_stages_read - list the stages
 * @buf: where to
 * @pos: from which byte of the list
 * @count: at most as many bytes
 * @names: also say of which session, or part of one, a stage was
 *
 * For the same @names the list only grows, by whole lines, so it can be read in
 * parts.
 *
 * Context: may sleep.
 * Return: bytes, 0 at the end, or -ENOMEM
 */
ssize_t kho_stages_read(char *buf, loff_t pos, size_t count, bool names)
{
	size_t len = 0, size;
	ssize_t rc;
	char *text;
	u32 i, nr;

	if (!in_old || !tsc_khz)
		return 0;
	spin_lock(&stages_lock);
	nr = nr_in_new;
	spin_unlock(&stages_lock);
	size = (in_old->nr + nr) * LINE_MAX;
	text = kvmalloc(size, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	for (i = 0; i < in_old->nr; i++)
		len += show(text + len, "old", &in_old->stage[i], true);
	for (i = 0; i < nr; i++)
		len += show(text + len, "next", &in_new[i], names);
	rc = memory_read_from_buffer(buf, count, &pos, text, len);
	kvfree(text);
	return rc;
}
