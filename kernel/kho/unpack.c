// SPDX-License-Identifier: GPL-2.0-only
/*
 * Decompressing a kernel when its image is loaded, in the formats for which the running
 * kernel has a library.
 *
 * Nothing here takes locks. It may take some tenths of a second.
 */
#include <linux/crc32.h>
#include <linux/err.h>
#include <linux/kho_kernel.h>
#include <linux/kernel.h>
#include <linux/lz4.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <linux/vmalloc.h>
#include <linux/xz.h>
#include <linux/zlib.h>
#include <linux/zstd.h>

/* What "lz4 -l" writes: its magic number, then chunks, each after its length. */
#define LZ4_CHUNK	SZ_8M

#define GZIP_HEADER	10
#define GZIP_FLAGS	3
/* The CRC of what was compressed, and its length */
#define GZIP_TRAILER	8

static int unpack_lz4(const u8 *in, size_t len, u8 *out, size_t size)
{
	size_t done = 0, chunk;
	int rc;

	in += sizeof(u32);
	len -= sizeof(u32);
	while (done < size) {
		if (len < sizeof(u32))
			return -EBADMSG;
		chunk = get_unaligned_le32(in);
		in += sizeof(u32);
		len -= sizeof(u32);
		if (!chunk || chunk > len)
			return -EBADMSG;
		rc = LZ4_decompress_safe(in, out + done, chunk,
					 min_t(size_t, size - done, LZ4_CHUNK));
		if (rc <= 0)
			return -EBADMSG;
		done += rc;
		in += chunk;
		len -= chunk;
		cond_resched();
	}
	return 0;
}

static int unpack_zstd(const u8 *in, size_t len, u8 *out, size_t size)
{
	size_t frame = zstd_find_frame_compressed_size(in, len);
	size_t room = zstd_dctx_workspace_bound();
	zstd_dctx *dctx;
	void *work;
	int rc = -EBADMSG;

	if (zstd_is_error(frame))
		return rc;
	work = vmalloc(room);
	if (!work)
		return -ENOMEM;
	dctx = zstd_init_dctx(work, room);
	if (dctx && zstd_decompress_dctx(dctx, out, size, in, frame) == size)
		rc = 0;
	vfree(work);
	return rc;
}

static int unpack_xz(const u8 *in, size_t len, u8 *out, size_t size)
{
	struct xz_buf buf = {
		.in = in,
		.in_size = len,
		.out = out,
		.out_size = size,
	};
	struct xz_dec *xz = xz_dec_init(XZ_SINGLE, 0);
	enum xz_ret rc;

	if (!xz)
		return -ENOMEM;
	rc = xz_dec_run(xz, &buf);
	xz_dec_end(xz);
	return rc == XZ_STREAM_END && buf.out_pos == size ? 0 : -EBADMSG;
}

static int unpack_gzip(const u8 *in, size_t len, u8 *out, size_t size)
{
	int rc;

	/* A header without options, as the kernel's build makes it. */
	if (len < GZIP_HEADER + GZIP_TRAILER || in[GZIP_FLAGS])
		return -EBADMSG;
	len -= GZIP_TRAILER;
	rc = zlib_inflate_blob(out, size, in + GZIP_HEADER, len - GZIP_HEADER);
	if (rc == -ENOMEM)
		return rc;
	if (rc != size || ~crc32_le(~0, out, size) != get_unaligned_le32(in + len))
		return -EBADMSG;
	return 0;
}

static const struct {
	const char *name;
	u8 magic[6];
	u8 len;
	int (*unpack)(const u8 *in, size_t len, u8 *out, size_t size);
} formats[] = {
	{ "LZ4", { 0x02, 0x21, 0x4c, 0x18 }, 4, unpack_lz4 },
	{ "ZSTD", { 0x28, 0xb5, 0x2f, 0xfd }, 4, unpack_zstd },
	{ "XZ", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, unpack_xz },
	{ "gzip", { 0x1f, 0x8b, 0x08 }, 3, unpack_gzip },
};

/**
 * kho_unpack - decompress
 * @data: in one of the formats, with or without something behind it
 * @len: its bytes
 * @size: bytes that it is to become
 * @format: set to the format's name
 *
 * Context: may sleep.
 * Return: memory for vfree(); or an error pointer: -ENOEXEC when no format is known that
 * begins like this, -EBADMSG when it is damaged or becomes another number of bytes, -ENOMEM
 */
void *kho_unpack(const u8 *data, size_t len, size_t size, const char **format)
{
	unsigned int i;
	void *out;
	int rc;

	for (i = 0; i < ARRAY_SIZE(formats); i++)
		if (len >= formats[i].len &&
		    !memcmp(data, formats[i].magic, formats[i].len))
			break;
	if (i == ARRAY_SIZE(formats))
		return ERR_PTR(-ENOEXEC);
	*format = formats[i].name;
	out = vmalloc(size);
	if (!out)
		return ERR_PTR(-ENOMEM);
	rc = formats[i].unpack(data, len, out, size);
	if (rc) {
		vfree(out);
		return ERR_PTR(rc);
	}
	return out;
}
