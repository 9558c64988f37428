// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of an iommufd in the next kernel: is it whole, and what does it say?
 *
 * It stays where it is, preserved, until the session is finished: if that does not
 * happen, the next kexec hands it on as it is. Nothing of it is believed before all of
 * it was checked. No locks; the session's mutex is held where it is opened and freed.
 */
#include <linux/io.h>
#include <linux/kho.h>
#include <linux/kho/abi/iommufd.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "liveupdate.h"

/* The pages of a record, 0 when there is none. */
static u32 record_pages(phys_addr_t phys)
{
	u32 pages;

	for (pages = 1; pages <= IOMMUFD_SER_MAX_PAGES; pages *= 2)
		if (kho_can_restore_folio(phys, ilog2(pages)))
			return pages;
	return 0;
}

static bool is_unit(phys_addr_t phys)
{
	return kho_can_restore_folio(phys, ilog2(IOMMUFD_MAPS_SER_PAGES));
}

static bool hwpt_flags_ok(const struct iommufd_object_ser *object)
{
	if (object->flags & IOMMUFD_SER_TRACKS_DIRTY &&
	    !(object->hwpt_flags & IOMMUFD_SER_HWPT_DIRTY))
		return false;
	return !object->hwpt_flags ||
	       (object->type == IOMMUFD_SER_HWPT &&
		!(object->flags & IOMMUFD_SER_AUTO) &&
		!(object->hwpt_flags & ~IOMMUFD_SER_HWPT_FLAGS));
}

static bool object_ok(const struct iommufd_object_ser *object, u32 min_id)
{
	return object->type >= IOMMUFD_SER_IOAS &&
	       object->type <= IOMMUFD_SER_DEVICE && object->id >= min_id &&
	       object->id <= INT_MAX && object->parent <= INT_MAX &&
	       !(object->flags & ~IOMMUFD_SER_FLAGS) && hwpt_flags_ok(object) &&
	       !object->reserved;
}

static bool is_preserved(const struct iommufd_ser *ser, u32 type, u32 id)
{
	u32 i;

	for (i = 0; i < ser->nr; i++)
		if (ser->object[i].id == id)
			return ser->object[i].type == type &&
			       ser->object[i].flags & IOMMUFD_SER_PRESERVED;
	return false;
}

/* What was preserved has to be complete: a device, its page table, the address space. */
static bool parent_ok(const struct iommufd_ser *ser,
		      const struct iommufd_object_ser *object)
{
	if (!(object->flags & IOMMUFD_SER_PRESERVED))
		return true;
	if (object->type == IOMMUFD_SER_DEVICE)
		return object->bdf >> 48 == 0 &&
		       is_preserved(ser, IOMMUFD_SER_HWPT, object->parent);
	if (object->type == IOMMUFD_SER_HWPT)
		return is_preserved(ser, IOMMUFD_SER_IOAS, object->parent);
	return !object->parent;
}

static bool objects_ok(const struct iommufd_ser *ser)
{
	u32 i, min_id = 0;

	for (i = 0; i < ser->nr; i++) {
		if (!object_ok(&ser->object[i], min_id) ||
		    !parent_ok(ser, &ser->object[i]))
			return false;
		min_id = ser->object[i].id + 1;
	}
	return true;
}

/* Of whole pages, and where they end can be said. */
static bool is_range(u64 start, u64 length)
{
	return length && PAGE_ALIGNED(start | length) &&
	       start <= U64_MAX - length;
}

/* By itself */
static bool map_ok(const struct iommufd_map_ser *map)
{
	const u32 flags = IOMMUFD_MAP_SER_READ | IOMMUFD_MAP_SER_WRITE |
			  IOMMUFD_MAP_SER_WRITABLE;

	if (map->reserved)
		return false;
	if (map->flags == IOMMUFD_MAP_SER_ALLOWED)
		return map->iova < map->offset && !map->length && !map->token &&
		       !map->source && !map->source_start && !map->source_length;
	return !(map->flags & ~flags) &&
	       map->flags & (IOMMUFD_MAP_SER_READ | IOMMUFD_MAP_SER_WRITE) &&
	       (!(map->flags & IOMMUFD_MAP_SER_WRITE) ||
		map->flags & IOMMUFD_MAP_SER_WRITABLE) &&
	       is_range(map->iova, map->length) &&
	       is_range(map->source_start, map->source_length) &&
	       map->source_start + map->source_length <= LLONG_MAX &&
	       is_range(map->offset, map->length) &&
	       map->offset >= map->source_start &&
	       map->offset + map->length <=
	       map->source_start + map->source_length;
}

static u64 map_last(const struct iommufd_map_ser *map)
{
	return map->flags == IOMMUFD_MAP_SER_ALLOWED ?
	       map->offset : map->iova + map->length - 1;
}

/* In the order of the record */
static bool follows(const struct iommufd_map_ser *map,
		    const struct iommufd_map_ser *before)
{
	bool allowed = map->flags == IOMMUFD_MAP_SER_ALLOWED;
	bool allowed_before = before->flags == IOMMUFD_MAP_SER_ALLOWED;

	if (map->ioas != before->ioas)
		return map->ioas > before->ioas;
	if (allowed != allowed_before)
		return allowed_before;
	return map->iova > map_last(before);
}

static bool same_source(const struct iommufd_map_ser *a,
			const struct iommufd_map_ser *b)
{
	return a->token == b->token && a->source_start == b->source_start &&
	       a->source_length == b->source_length &&
	       !((a->flags ^ b->flags) & IOMMUFD_MAP_SER_WRITABLE);
}

const struct iommufd_map_ser *
iommufd_record_map(const struct iommufd_record *record, u64 nr)
{
	return &record->units[nr / IOMMUFD_MAPS_SER_MAPS]
		->map[nr % IOMMUFD_MAPS_SER_MAPS];
}

/* The first map or allowed range at or behind address space @id */
u64 iommufd_record_first_map(const struct iommufd_record *record, u32 id)
{
	u64 low = 0, high = record->ser->nr_maps;

	while (low < high) {
		u64 middle = low + (high - low) / 2;

		if (iommufd_record_map(record, middle)->ioas < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int check_maps(const struct iommufd_record *record)
{
	const struct iommufd_map_ser *map, *before = NULL, **sources;
	const struct iommufd_ser *ser = record->ser;
	int rc = -EINVAL;
	u64 i;

	sources = kvcalloc(ser->nr_sources + 1UL, sizeof(*sources), GFP_KERNEL);
	if (!sources)
		return -ENOMEM;
	for (i = 0; i < ser->nr_maps; i++, before = map) {
		map = iommufd_record_map(record, i);
		if (!map_ok(map) || (before && !follows(map, before)))
			goto out;
		if ((!before || before->ioas != map->ioas) &&
		    !is_preserved(ser, IOMMUFD_SER_IOAS, map->ioas))
			goto out;
		if (map->flags == IOMMUFD_MAP_SER_ALLOWED)
			continue;
		if (map->source >= ser->nr_sources)
			goto out;
		if (!sources[map->source])
			sources[map->source] = map;
		else if (!same_source(map, sources[map->source]))
			goto out;
	}
	rc = 0;
out:
	kvfree(sources);
	return rc;
}

static bool is_intact(const struct iommufd_maps_ser *unit)
{
	return unit->nr <= IOMMUFD_MAPS_SER_MAPS &&
	       unit->checksum == iommufd_maps_ser_checksum(unit);
}

/* With the number of maps, a chain that is a ring is no problem. */
static bool find_units(struct iommufd_record *record)
{
	const struct iommufd_maps_ser *unit;
	u64 left = record->ser->nr_maps, pa = record->ser->maps_pa;
	u32 i;

	for (i = 0; left; i++, pa = unit->next_pa) {
		if (!is_unit(pa))
			return false;
		unit = phys_to_virt(pa);
		if (!is_intact(unit) ||
		    unit->nr != min(left, IOMMUFD_MAPS_SER_MAPS) ||
		    memchr_inv(unit->reserved, 0, sizeof(unit->reserved)))
			return false;
		record->units[i] = unit;
		left -= unit->nr;
	}
	return !pa;
}

static bool header_ok(const struct iommufd_ser *ser, u32 pages)
{
	return ser->pages == pages && ser->nr <= iommufd_ser_room(pages) &&
	       ser->checksum == iommufd_ser_checksum(ser);
}

static const struct iommufd_ser *find_ser(phys_addr_t phys)
{
	u32 pages = record_pages(phys);
	const struct iommufd_ser *ser;

	if (!pages)
		return NULL;
	ser = phys_to_virt(phys);
	if (!header_ok(ser, pages))
		return NULL;
	/* What there is memory for, so that what is allocated here stays in bounds */
	if (ser->nr_maps > totalram_pages() * (PAGE_SIZE / sizeof(struct iommufd_map_ser)) ||
	    ser->nr_sources > ser->nr_maps || ser->account_mode > 1 ||
	    memchr_inv(ser->reserved, 0, sizeof(ser->reserved)))
		return NULL;
	return ser;
}

/**
 * iommufd_record_open - check a record
 * @phys: where it is supposed to be
 *
 * Context: may sleep.
 * Return: it, to be closed with iommufd_record_close(); -EINVAL when it is damaged;
 * -ENOMEM
 */
struct iommufd_record *iommufd_record_open(phys_addr_t phys)
{
	const struct iommufd_ser *ser = find_ser(phys);
	struct iommufd_record *record;
	int rc = -EINVAL;
	u64 nr;

	if (!ser)
		return ERR_PTR(-EINVAL);
	nr = DIV_ROUND_UP(ser->nr_maps, IOMMUFD_MAPS_SER_MAPS);
	record = kvzalloc(struct_size(record, units, nr), GFP_KERNEL);
	if (!record)
		return ERR_PTR(-ENOMEM);
	record->ser = ser;
	if (objects_ok(ser) && find_units(record))
		rc = check_maps(record);
	if (!rc)
		return record;
	kvfree(record);
	return ERR_PTR(rc);
}

/**
 * iommufd_record_close - undo iommufd_record_open()
 * @record: the record, which stays preserved
 */
void iommufd_record_close(struct iommufd_record *record)
{
	kvfree(record);
}

/**
 * iommufd_record_free - free what the old kernel recorded, as far as it can be found
 * @phys: where it is supposed to be
 *
 * Context: may sleep; the record is not open.
 */
void iommufd_record_free(phys_addr_t phys)
{
	struct iommufd_maps_ser *unit;
	struct iommufd_ser *ser;
	u64 pa, next;

	if (!record_pages(phys))
		return;
	ser = phys_to_virt(phys);
	pa = header_ok(ser, record_pages(phys)) ? ser->maps_pa : 0;
	kho_restore_free(ser);
	/* An address is believed where the checksum says that it was written so. */
	for (; is_unit(pa); pa = next) {
		unit = phys_to_virt(pa);
		next = is_intact(unit) ? unit->next_pa : 0;
		kho_restore_free(unit);
	}
}
