/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the handover core, as "kho" in tracefs: the state machine,
 * owners, stages, memory, subtrees, sessions and their files, devices.
 *
 * Frame numbers are shown: tracefs is for root.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kho

#if !defined(_KERNEL_KHO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _KERNEL_KHO_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(kho_state,
	TP_PROTO(const char *from, const char *to),
	TP_ARGS(from, to),
	TP_STRUCT__entry(
		__string(from, from)
		__string(to, to)
	),
	TP_fast_assign(
		__assign_str(from);
		__assign_str(to);
	),
	TP_printk("%s -> %s", __get_str(from), __get_str(to))
);

DECLARE_EVENT_CLASS(kho_step,
	TP_PROTO(const char *name, const char *step, int rc),
	TP_ARGS(name, step, rc),
	TP_STRUCT__entry(
		__string(name, name)
		__string(step, step)
		__field(int, rc)
	),
	TP_fast_assign(
		__assign_str(name);
		__assign_str(step);
		__entry->rc = rc;
	),
	TP_printk("%s: %s: %d", __get_str(name), __get_str(step), __entry->rc)
);

#define KHO_STEP_EVENT(event)						\
DEFINE_EVENT(kho_step, event,						\
	TP_PROTO(const char *name, const char *step, int rc),		\
	TP_ARGS(name, step, rc))

KHO_STEP_EVENT(kho_owner);
KHO_STEP_EVENT(kho_subtree);
KHO_STEP_EVENT(kho_session);
KHO_STEP_EVENT(kho_device);

TRACE_EVENT(kho_stage,
	TP_PROTO(const char *stage, const char *what, u64 ns),
	TP_ARGS(stage, what, ns),
	TP_STRUCT__entry(
		__string(stage, stage)
		__string(what, what)
		__field(u64, ns)
	),
	TP_fast_assign(
		__assign_str(stage);
		__assign_str(what);
		__entry->ns = ns;
	),
	TP_printk("%s %s ns=%llu", __get_str(stage), __get_str(what),
		  __entry->ns)
);

TRACE_EVENT(kho_seal,
	TP_PROTO(u64 frames, u64 nodes, unsigned int holes, u64 blob),
	TP_ARGS(frames, nodes, holes, blob),
	TP_STRUCT__entry(
		__field(u64, frames)
		__field(u64, nodes)
		__field(unsigned int, holes)
		__field(u64, blob)
	),
	TP_fast_assign(
		__entry->frames = frames;
		__entry->nodes = nodes;
		__entry->holes = holes;
		__entry->blob = blob;
	),
	TP_printk("frames=%llu nodes=%llu holes=%u blob=%llu",
		  __entry->frames, __entry->nodes, __entry->holes,
		  __entry->blob)
);

DECLARE_EVENT_CLASS(kho_frames,
	TP_PROTO(unsigned long pfn, unsigned long nr, unsigned int order, int rc),
	TP_ARGS(pfn, nr, order, rc),
	TP_STRUCT__entry(
		__field(unsigned long, pfn)
		__field(unsigned long, nr)
		__field(unsigned int, order)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->pfn = pfn;
		__entry->nr = nr;
		__entry->order = order;
		__entry->rc = rc;
	),
	TP_printk("pfn=%#lx nr=%lu order=%u: %d", __entry->pfn, __entry->nr,
		  __entry->order, __entry->rc)
);

#define KHO_FRAMES_EVENT(name)						\
DEFINE_EVENT(kho_frames, name,						\
	TP_PROTO(unsigned long pfn, unsigned long nr, unsigned int order, int rc), \
	TP_ARGS(pfn, nr, order, rc))

KHO_FRAMES_EVENT(kho_preserve);
KHO_FRAMES_EVENT(kho_unpreserve);
/* Also when they are only taken to be freed */
KHO_FRAMES_EVENT(kho_restore);

TRACE_EVENT(kho_file,
	TP_PROTO(const char *session, u64 token, const char *kind,
		 const char *step, int rc),
	TP_ARGS(session, token, kind, step, rc),
	TP_STRUCT__entry(
		__string(session, session)
		__field(u64, token)
		__string(kind, kind)
		__string(step, step)
		__field(int, rc)
	),
	TP_fast_assign(
		__assign_str(session);
		__entry->token = token;
		__assign_str(kind);
		__assign_str(step);
		__entry->rc = rc;
	),
	TP_printk("%s: %#llx %s: %s: %d", __get_str(session), __entry->token,
		  __get_str(kind), __get_str(step), __entry->rc)
);

#endif /* _KERNEL_KHO_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
