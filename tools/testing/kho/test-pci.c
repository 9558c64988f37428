// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of a PCI device (drivers/pci/liveupdate_record.c): what the old kernel
 * writes is believed, and nothing that is damaged or makes no sense.
 */
#include "../../../drivers/pci/liveupdate_record.c"

#include "lib.h"

static void set_bar(struct pci_dev_ser *record, unsigned int i, u64 address,
		    u64 size, u32 flags)
{
	record->header[PCI_BASE_ADDRESS_0 / 4 + i] = address | flags;
	record->bar_size[i] = size;
	if ((flags & PCI_BASE_ADDRESS_MEM_TYPE_64) &&
	    !(flags & PCI_BASE_ADDRESS_SPACE_IO))
		record->header[PCI_BASE_ADDRESS_0 / 4 + i + 1] = address >> 32;
}

static void seal(struct pci_dev_ser *record)
{
	record->checksum = pci_dev_ser_checksum(record);
}

/* BARs at random that do not overlap: each in an extent of its own */
static void random_bars(struct pci_dev_ser *record, unsigned int nr)
{
	unsigned int i, bits;
	u64 size;

	for (i = 0; i < nr; i++) {
		switch (random_below(4)) {
		case 0:
			continue;
		case 1:
			size = 4ULL << random_below(6);
			set_bar(record, i, (i + 1) * 0x1000ULL, size,
				PCI_BASE_ADDRESS_SPACE_IO);
			continue;
		case 2:
			size = 16ULL << random_below(20);
			set_bar(record, i, (i + 1) * 0x10000000ULL, size,
				random_below(2) ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0);
			continue;
		}
		if (i + 1 == nr)
			continue;
		bits = 4 + random_below(40);
		set_bar(record, i, (i + 1ULL) << 44 | random_below(2) << 63,
			1ULL << bits, PCI_BASE_ADDRESS_MEM_TYPE_64 |
				      PCI_BASE_ADDRESS_MEM_PREFETCH);
		i++;
	}
}

static void make_record(struct pci_dev_ser *record, bool bridge)
{
	u8 type = bridge ? PCI_HEADER_TYPE_BRIDGE : PCI_HEADER_TYPE_NORMAL;
	u32 bus = random_below(200);

	memset(record, 0, sizeof(*record));
	record->where.segment = random_below(65536);
	record->where.bus = bus;
	record->where.devfn = random_below(256);
	record->where.kind = bridge ? PCI_SER_BRIDGE : PCI_SER_ENDPOINT;
	record->header[0] = 1 + random_below(0xfffffffe);
	if (!(record->header[0] & 0xffff) ||
	    (record->header[0] & 0xffff) == 0xffff)
		record->header[0] = 0x10d38086;
	record->header[PCI_COMMAND / 4] = 7 | random_below(65536);
	record->header[PCI_CLASS_REVISION / 4] = random_u64();
	record->header[PCI_CACHE_LINE_SIZE / 4] = type << 16 |
						  random_below(2) << 23;
	record->msi_cap = random_below(2) ? 0x50 : 0;
	record->msi_ctrl = record->msi_cap ? random_below(65536) : 0;
	record->msix_cap = random_below(2) ? 0xa0 : 0;
	record->msix_ctrl = record->msix_cap ? random_below(65536) : 0;
	record->flags = random_below(PCI_SER_FLAGS + 1);
	if (bridge)
		record->flags &= ~(PCI_SER_ATS | PCI_SER_VF);
	if (!(record->flags & PCI_SER_VF))
		random_bars(record, bridge ? 2 : 6);
	if (random_below(2)) {
		record->bar_size[PCI_SER_ROM] = 2048ULL << random_below(8);
		record->header[rom_reg(record) / 4] = 0xf0000000 |
						      random_below(2);
	}
	if (bridge) {
		record->header[PCI_PRIMARY_BUS / 4] =
			bus | (bus + 1) << 8 | (bus + 1 + random_below(50)) << 16;
		record->header[PCI_IO_BASE / 4] = random_below(65536);
		record->header[PCI_MEMORY_BASE / 4] = random_u64();
		record->header[PCI_PREF_MEMORY_BASE / 4] = random_u64();
	}
	seal(record);
}

static const char *check(const struct pci_dev_ser *record)
{
	struct pci_dev_ser *copy = malloc(sizeof(*copy));
	const char *wrong;

	CHECK(copy);
	*copy = *record;
	wrong = pci_record_check(copy, &record->where);
	CHECK(!memcmp(copy, record, sizeof(*copy)));
	free(copy);
	return wrong;
}

/* What is wrong with it, or NULL */
static void expect(struct pci_dev_ser *record, const char *wrong)
{
	const char *got;

	seal(record);
	got = check(record);
	if (strcmp(got ?: "nothing", wrong ?: "nothing")) {
		fprintf(stderr, "expected '%s', got '%s'\n", wrong ?: "nothing",
			got ?: "nothing");
		CHECK(false);
	}
}

static unsigned long nr_flips;

/* Any single bit: the checksum */
static void test_flips(void)
{
	struct pci_dev_ser record;
	struct pci_index_ser where;
	unsigned int bit;

	make_record(&record, random_below(2));
	where = record.where;
	for (bit = 0; bit < 8 * sizeof(record); bit++, nr_flips++) {
		((u8 *)&record)[bit / 8] ^= 1 << bit % 8;
		CHECK(!strcmp(pci_record_check(&record, &where),
			      "its record is damaged"));
		((u8 *)&record)[bit / 8] ^= 1 << bit % 8;
	}
	CHECK(!pci_record_check(&record, &where));
}

/* Each field by itself, with a checksum that is right */
static void test_fields(void)
{
	static const u16 bad_caps[] = { 1, 0x3c, 0x41, 0x42, 0x100, 0xfffc };
	struct pci_index_ser where;
	struct pci_dev_ser good, bad;
	unsigned int i;

	make_record(&good, false);
	good.flags &= ~PCI_SER_VF;
	memset(good.bar_size, 0, sizeof(good.bar_size));
	memset(&good.header[4], 0, 6 * 4);
	good.header[PCI_ROM_ADDRESS / 4] = 0;
	set_bar(&good, 0, 0xfe000000, 0x20000, 0);
	set_bar(&good, 1, 0xc000, 0x20, PCI_BASE_ADDRESS_SPACE_IO);
	set_bar(&good, 2, 0x3800000000, 0x800000000,
		PCI_BASE_ADDRESS_MEM_TYPE_64);
	seal(&good);
	CHECK(!check(&good));

	/* Where it is */
	for (i = 0; i < 4; i++) {
		bad = good;
		where = good.where;
		if (i == 0)
			where.segment ^= 1;
		else if (i == 1)
			where.bus ^= 1;
		else if (i == 2)
			where.devfn ^= 1;
		else
			where.kind ^= PCI_SER_BLOCKED;
		CHECK(!strcmp(pci_record_check(&bad, &where),
			      "its record is another device's"));
	}
	bad = good;
	bad.where.reserved = 1;
	expect(&bad, "its record is another device's");
	bad = good;
	bad.where.kind = PCI_SER_BRIDGE;
	bad.flags = 0;
	expect(&bad, "wrong type of header");
	bad.flags = PCI_SER_ATS;
	expect(&bad, "unknown flags");
	bad.flags = PCI_SER_VF;
	expect(&bad, "unknown flags");
	bad = good;
	bad.flags |= PCI_SER_VF;
	expect(&bad, "a virtual function has a BAR");

	bad = good;
	bad.flags = PCI_SER_FLAGS + 1;
	expect(&bad, "unknown flags");
	bad = good;
	bad.reserved = 1;
	expect(&bad, "unknown flags");
	bad = good;
	bad.header[0] = 0x12340000;
	expect(&bad, "no vendor");
	bad = good;
	bad.header[0] = 0xffffffff;
	expect(&bad, "no vendor");
	bad = good;
	bad.header[1] |= 0x100000;
	expect(&bad, "status bits where there should be none");
	bad = good;
	bad.header[3] = 0x020000;
	expect(&bad, "wrong type of header");

	/* Capabilities */
	for (i = 0; i < ARRAY_SIZE(bad_caps); i++) {
		bad = good;
		bad.msi_cap = bad_caps[i];
		expect(&bad, "wrong place of a capability");
		bad = good;
		bad.msix_cap = bad_caps[i];
		expect(&bad, "wrong place of a capability");
	}
	bad = good;
	bad.msi_cap = 0;
	bad.msi_ctrl = 1;
	expect(&bad, "wrong place of a capability");
	bad = good;
	bad.msi_cap = 0x60;
	bad.msix_cap = 0x60;
	expect(&bad, "wrong place of a capability");

	/* BARs */
	for (i = 0; i < 64; i++) {
		bad = good;
		bad.bar_size[0] = 1ULL << i;
		if (i < 4 || i > 25)
			expect(&bad, "a BAR's size does not go with its address");
		bad = good;
		bad.bar_size[1] = 1ULL << i;
		if (i < 2 || i > 14)
			expect(&bad, "a BAR's size does not go with its address");
		bad = good;
		bad.bar_size[2] = 1ULL << i;
		if (i < 4 || i > 35)
			expect(&bad, "a BAR's size does not go with its address");
		bad = good;
		bad.bar_size[0] |= 1ULL << i;
		if (i != 17)
			expect(&bad, "a BAR's size does not go with its address");
	}
	bad = good;
	bad.bar_size[0] = 0;
	expect(&bad, NULL);
	bad = good;
	bad.bar_size[3] = 0x1000;
	expect(&bad, "a BAR's size does not go with its address");
	/* There was no room for it, and firmware's address may still be there. */
	bad = good;
	set_bar(&bad, 4, 0x1f0000000, 0, PCI_BASE_ADDRESS_MEM_TYPE_64);
	expect(&bad, NULL);
	CHECK(!pci_record_bar_mask(&bad, PCI_BASE_ADDRESS_4));
	CHECK(!pci_record_bar_mask(&bad, PCI_BASE_ADDRESS_5));
	bad.bar_size[5] = 0x1000;
	expect(&bad, "half a BAR has a size");
	bad = good;
	set_bar(&bad, 4, 0xf000, 0, PCI_BASE_ADDRESS_SPACE_IO);
	bad.header[1] |= PCI_COMMAND_IO;
	expect(&bad, NULL);
	CHECK(!pci_record_bar_mask(&bad, PCI_BASE_ADDRESS_4));
	bad = good;
	set_bar(&bad, 5, 0, 0x1000, 0);
	bad.header[9] = PCI_BASE_ADDRESS_MEM_TYPE_64;
	expect(&bad, "a BAR's size does not go with its address");
	bad = good;
	set_bar(&bad, 4, 0xfe010000, 0x1000, 0);
	expect(&bad, "BARs overlap");
	bad = good;
	set_bar(&bad, 4, 0xc010, 0x10, PCI_BASE_ADDRESS_SPACE_IO);
	expect(&bad, "BARs overlap");
	bad = good;
	set_bar(&bad, 4, 0xc000, 0x100, 0);
	seal(&bad);
	CHECK(!check(&bad));
	bad = good;
	set_bar(&bad, 4, ~0ULL << 12, 0x1000,
		PCI_BASE_ADDRESS_MEM_TYPE_64);
	seal(&bad);
	CHECK(!check(&bad));

	/* ROM */
	for (i = 0; i < 64; i++) {
		bad = good;
		bad.bar_size[PCI_SER_ROM] = 1ULL << i;
		bad.header[PCI_ROM_ADDRESS / 4] = 0xf0000001;
		if (i < 11 || i > 28)
			expect(&bad, "the ROM's size does not go with its address");
	}
}

static void test_bridge_fields(void)
{
	struct pci_dev_ser good, bad;
	unsigned int i;
	u8 bus;

	make_record(&good, true);
	bus = good.where.bus;
	CHECK(!check(&good));
	for (i = 2; i < PCI_SER_ROM; i++) {
		bad = good;
		bad.bar_size[i] = 0x1000;
		expect(&bad, "a bridge has a BAR too many");
	}
	bad = good;
	bad.header[6] ^= 1;
	expect(&bad, "wrong bus numbers");
	bad = good;
	bad.header[6] = bus | bus << 8 | 0xff << 16;
	expect(&bad, "wrong bus numbers");
	bad = good;
	bad.header[6] = bus | (bus + 2) << 8 | (bus + 1) << 16;
	expect(&bad, "wrong bus numbers");
	bad = good;
	bad.header[6] = 0xffffff;
	expect(&bad, "wrong bus numbers");
}

/* What is written is believed, and sizes come out as they went in. */
static void test_good(void)
{
	struct pci_dev_ser record;
	u32 header[PCI_SER_HEADER_WORDS];
	bool bridge = random_below(2);
	unsigned int i;

	make_record(&record, bridge);
	CHECK(!check(&record));
	memcpy(header, record.header, sizeof(header));
	header[PCI_STATUS / 4] |= (u32)random_u64() & 0xffff0000;
	if (bridge)
		header[PCI_IO_BASE / 4] |= (u32)random_u64() & 0xffff0000;
	CHECK(pci_record_is_of(&record, header));
	CHECK(!pci_record_compare(&record, header));
	CHECK(!pci_record_goes_on(&record, header));

	for (i = 0; i < (bridge ? 2 : 6); i++) {
		u32 bar = header[4 + i], reg = PCI_BASE_ADDRESS_0 + 4 * i;
		u64 mask = pci_record_bar_mask(&record, reg);
		u64 size = record.bar_size[i];

		if (!size) {
			CHECK(!mask);
			continue;
		}
		if (bar_is_io(bar)) {
			CHECK((mask & 3) == (bar & 3));
			CHECK((-(mask & ~3ULL) & 0xffffffff) == size);
			continue;
		}
		CHECK((mask & 15) == (bar & 15));
		if (bar_is_64(bar)) {
			mask |= (u64)pci_record_bar_mask(&record, reg + 4) << 32;
			CHECK(-(mask & ~15ULL) == size);
			i++;
		} else {
			CHECK((-(mask & ~15ULL) & 0xffffffff) == size);
		}
	}
	CHECK(!pci_record_bar_mask(&record, PCI_BASE_ADDRESS_0 - 4));
	CHECK(!pci_record_bar_mask(&record, bridge ? PCI_BASE_ADDRESS_2 :
						     PCI_CARDBUS_CIS));
}

static void test_compare(void)
{
	u32 header[PCI_SER_HEADER_WORDS];
	struct pci_dev_ser record;

	make_record(&record, true);
	memcpy(header, record.header, sizeof(header));
	header[0] ^= 0x10000;
	CHECK(!pci_record_is_of(&record, header));
	header[0] ^= 0x10000;
	header[2] ^= 1;
	CHECK(!pci_record_is_of(&record, header));
	header[2] ^= 1;
	header[3] ^= 0x800000;
	CHECK(!pci_record_is_of(&record, header));
	header[3] ^= 0x800000;
	header[4] ^= 0x100000;
	CHECK(!strcmp(pci_record_compare(&record, header), "a BAR has changed"));
	header[4] ^= 0x100000;
	header[6] ^= 0x100;
	CHECK(!strcmp(pci_record_compare(&record, header),
		      "the bus numbers have changed"));
	header[6] ^= 0x100;
	header[7] ^= 0x10;
	CHECK(!strcmp(pci_record_compare(&record, header),
		      "a window has changed"));
	header[7] ^= 0x10;
	header[12] ^= 1;
	CHECK(!strcmp(pci_record_compare(&record, header),
		      "a window has changed"));
	header[12] ^= 1;
	CHECK(!pci_record_goes_on(&record, header));
	header[1] &= ~PCI_COMMAND_MASTER;
	CHECK(!pci_record_compare(&record, header));
	CHECK(!strcmp(pci_record_goes_on(&record, header),
		      "bus master or decoding was switched off"));
}

static void test_index(void)
{
	struct pci_index_ser index[3] = {
		{ 0, 1, 2, PCI_SER_ENDPOINT, 0 },
		{ 0, 1, 3, PCI_SER_BRIDGE, 0 },
		{ 65535, 1, 2, PCI_SER_ENDPOINT | PCI_SER_BLOCKED, 0 },
	};
	static const u8 bad_kinds[] = { 0, 3, 4, 6, 8, 0x81 };
	const char *wrong = "wrong entry in the list of devices";
	unsigned int i;

	CHECK(!pci_index_check(NULL, 0));
	CHECK(!pci_index_check(index, 3));
	CHECK(!strcmp(pci_index_check(index, PCI_SER_MAX_DEVICES + 1),
		      "too many devices"));
	for (i = 0; i < ARRAY_SIZE(bad_kinds); i++) {
		index[1].kind = bad_kinds[i];
		CHECK(!strcmp(pci_index_check(index, 3), wrong));
	}
	index[1].kind = PCI_SER_BRIDGE;
	index[1].reserved = 1;
	CHECK(!strcmp(pci_index_check(index, 3), wrong));
	index[1].reserved = 0;
	index[2].segment = 65536;
	CHECK(!strcmp(pci_index_check(index, 3), wrong));
	index[2].segment = 0;
	CHECK(!strcmp(pci_index_check(index, 3), "a device is listed twice"));
}

/* Devices 0 and 2 can have virtual functions; 1 is a bridge. */
static const struct pci_index_ser sriov_index[] = {
	{ 0, 1, 0, PCI_SER_ENDPOINT, 0 },
	{ 0, 0, 8, PCI_SER_BRIDGE, 0 },
	{ 0, 1, 1, PCI_SER_ENDPOINT, 0 },
};

static const struct pci_sriov_ser sriov_good[] = {
	{
		.where = { 0, 1, 0, PCI_SER_ENDPOINT, 0 },
		.ctrl = PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE | PCI_SRIOV_CTRL_ARI,
		.num_vfs = 4,
		.offset = 0x80,
		.stride = 2,
		.page_size = 1,
		.last_bus = 2,
		.bar = { 0xfe80000c, 0x38, 0, 0xfe900000, 0xfea00000, 0 },
		.bar_size = { 0x4000, 0, 0, 0x4000, 0x1000, 0 },
	},
	{
		.where = { 0, 1, 1, PCI_SER_ENDPOINT, 0 },
		.page_size = 1,
	},
};

static const char *check_sriov(const struct pci_sriov_ser *list, size_t nr)
{
	return pci_sriov_check(list, nr, sriov_index, ARRAY_SIZE(sriov_index)) ?:
	       "nothing";
}

/* With one thing changed in it, the first of the two is this. */
#define SRIOV_IS(field, value, wrong) do {				\
	memcpy(list, sriov_good, sizeof(list));				\
	list[0].field = (value);					\
	if (strcmp(check_sriov(list, 2), wrong)) {			\
		fprintf(stderr, "%s: expected '%s', got '%s'\n", #field,	\
			wrong, check_sriov(list, 2));			\
		CHECK(false);						\
	}								\
} while (0)

static void test_sriov(void)
{
	const char *place = "virtual functions of a device that is not there";
	const char *control = "unknown control of virtual functions";
	const char *half = "virtual functions are neither on nor off";
	const char *ids = "wrong routing ids of virtual functions";
	const char *bars = "wrong BARs of virtual functions";
	struct pci_sriov_ser list[2], now;
	unsigned int i;

	CHECK(!pci_sriov_check(NULL, 0, NULL, 0));
	CHECK(!pci_sriov_check(sriov_good, 2, sriov_index, 3));
	SRIOV_IS(where.segment, 1, place);
	SRIOV_IS(where.bus, 2, place);
	SRIOV_IS(where.devfn, 1, place);
	SRIOV_IS(where.kind, PCI_SER_BRIDGE, place);
	SRIOV_IS(where.reserved, 1, place);
	SRIOV_IS(where, sriov_good[1].where, place);
	list[0] = sriov_good[1];
	list[1] = sriov_good[0];
	CHECK(!strcmp(check_sriov(list, 2), place));
	list[0] = (struct pci_sriov_ser) {
		.where = sriov_index[1], .page_size = 1,
	};
	CHECK(!strcmp(check_sriov(list, 1), place));

	SRIOV_IS(page_size, 0, control);
	SRIOV_IS(page_size, 3, control);
	SRIOV_IS(last_bus, 256, control);
	SRIOV_IS(ctrl, PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_VFM, control);
	SRIOV_IS(ctrl, PCI_SRIOV_CTRL_MSE, half);
	SRIOV_IS(num_vfs, 0, half);
	SRIOV_IS(offset, 0, ids);
	SRIOV_IS(stride, 0, ids);
	SRIOV_IS(stride, 0x8000, ids);
	SRIOV_IS(num_vfs, 0x7f40, "nothing");
	SRIOV_IS(num_vfs, 0x7f41, ids);

	for (i = 0; i < 64; i++)
		SRIOV_IS(bar_size[0], 1ULL << i, i < 12 || i > 23 ? bars : "nothing");
	SRIOV_IS(bar_size[0], 0x6000, bars);
	SRIOV_IS(bar_size[1], 0x1000, bars);
	SRIOV_IS(bar_size[5], 0x800, bars);
	SRIOV_IS(bar[4], 0xfea00001, bars);
	SRIOV_IS(bar[4], 0xfea00800, bars);
	SRIOV_IS(bar[5], 0xfea00004, "nothing");
	memcpy(list, sriov_good, sizeof(list));
	list[0].bar[5] = PCI_BASE_ADDRESS_MEM_TYPE_64;
	list[0].bar_size[5] = 0x1000;
	CHECK(!strcmp(check_sriov(list, 2), bars));

	/* Sizes come out as they went in. */
	CHECK(pci_sriov_bar_mask(&sriov_good[0], 0) == 0xffffc00c);
	CHECK(pci_sriov_bar_mask(&sriov_good[0], 1) == 0xffffffff);
	CHECK(pci_sriov_bar_mask(&sriov_good[0], 2) == 0);
	CHECK(pci_sriov_bar_mask(&sriov_good[0], 4) == 0xfffff000);
	for (i = 5; i < 1u << 31; i += i)
		CHECK(!pci_sriov_bar_mask(&sriov_good[0], i));
	CHECK(!pci_sriov_bar_mask(&sriov_good[0], -9));

	/* What has changed */
	now = sriov_good[0];
	memset(now.bar_size, 0, sizeof(now.bar_size));
	now.last_bus = 0;
	CHECK(!pci_sriov_compare(&sriov_good[0], &now));
	now.num_vfs--;
	CHECK(pci_sriov_compare(&sriov_good[0], &now));
	now.num_vfs++;
	now.ctrl ^= PCI_SRIOV_CTRL_ARI;
	CHECK(pci_sriov_compare(&sriov_good[0], &now));
	now.ctrl ^= PCI_SRIOV_CTRL_ARI;
	now.offset++;
	CHECK(pci_sriov_compare(&sriov_good[0], &now));
	now.offset--;
	now.stride++;
	CHECK(pci_sriov_compare(&sriov_good[0], &now));
	now.stride--;
	now.page_size <<= 1;
	CHECK(pci_sriov_compare(&sriov_good[0], &now));
	now.page_size >>= 1;
	for (i = 0; i < PCI_SER_NR_VF_BARS; i++) {
		now.bar[i] ^= 0x1000;
		CHECK(pci_sriov_compare(&sriov_good[0], &now));
		now.bar[i] ^= 0x1000;
	}
	CHECK(!pci_sriov_compare(&sriov_good[0], &now));
	/* Without any, where they would be is nobody's business. */
	now = sriov_good[1];
	now.offset = 1;
	now.stride = 1;
	CHECK(!pci_sriov_compare(&sriov_good[1], &now));
}

static void test_sriov_noise(void)
{
	struct pci_sriov_ser list[2];
	unsigned int i;

	memcpy(list, sriov_good, sizeof(list));
	for (i = 1 + random_below(4); i; i--)
		((u8 *)list)[random_below(sizeof(list))] = random_u64();
	pci_sriov_check(list, 2, sriov_index, ARRAY_SIZE(sriov_index));
	for (i = 0; i <= PCI_SER_NR_VF_BARS; i++)
		pci_sriov_bar_mask(&list[0], i);
	pci_sriov_compare(&list[0], &sriov_good[0]);
}

/* Anything at all, with a checksum that is right: no crash, and no nonsense */
static void test_noise(void)
{
	struct pci_dev_ser record;
	unsigned int i;

	make_record(&record, random_below(2));
	for (i = 1 + random_below(4); i; i--)
		((u8 *)&record)[random_below(sizeof(record))] = random_u64();
	seal(&record);
	if (check(&record))
		return;
	for (i = 0; i <= 64; i += 4)
		pci_record_bar_mask(&record, i);
	pci_record_compare(&record, record.header);
}

int main(void)
{
	unsigned long i, count;

	test_begin("pci");
	count = test_count(20000);
	test_fields();
	test_bridge_fields();
	test_compare();
	test_index();
	test_sriov();
	for (i = 0; i < count; i++) {
		test_good();
		test_noise();
		test_sriov_noise();
		if (i % 100 == 0)
			test_flips();
	}
	test_end("%lu records, %lu flipped bits", count, nr_flips);
	return 0;
}
