// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/liveupdate and the descriptors of sessions: the ioctls.
 *
 * The device is for one opener at a time, who makes and opens sessions; a session
 * is a descriptor that can be passed on. Nothing is kept here but that.
 */
#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>
#include <linux/uaccess.h>

#include "../internal.h"
#include "session.h"

/* Is the device open? */
static atomic_t in_use = ATOMIC_INIT(0);

union command {
	u32 size;
	struct liveupdate_ioctl_create_session create;
	struct liveupdate_ioctl_retrieve_session retrieve;
	struct liveupdate_session_preserve_fd preserve_fd;
	struct liveupdate_session_retrieve_fd retrieve_fd;
	struct liveupdate_session_finish finish;
	struct liveupdate_session_get_name get_name;
};

/**
 * get_command - copy a command in
 * @cmd: where to
 * @arg: user address
 * @size: of the structure as this kernel knows it
 *
 * Return: 0, -EFAULT, -EINVAL when it is too small, -E2BIG when it is larger and
 * what is unknown is not zero
 */
static int get_command(union command *cmd, unsigned long arg, size_t size)
{
	void __user *from = (void __user *)arg;
	u32 user_size;

	if (get_user(user_size, (u32 __user *)from))
		return -EFAULT;
	if (user_size < size)
		return -EINVAL;
	memset(cmd, 0, sizeof(*cmd));
	return copy_struct_from_user(cmd, size, from, user_size);
}

static int put_command(const union command *cmd, unsigned long arg, size_t size)
{
	return copy_to_user((void __user *)arg, cmd, size) ? -EFAULT : 0;
}

/* Names are compared as a whole: no byte after the NUL may differ. */
static int clean_name(u8 *name)
{
	size_t len = strnlen(name, LIVEUPDATE_SESSION_NAME_LENGTH);

	if (!len || len == LIVEUPDATE_SESSION_NAME_LENGTH)
		return -EINVAL;
	memset(name + len, 0, LIVEUPDATE_SESSION_NAME_LENGTH - len);
	return 0;
}

/*
 * Give a file to userspace and tell it the descriptor, which is in the structure
 * at @arg. The reference is consumed.
 */
static int give_file(struct file *file, int fd, union command *cmd,
		     unsigned long arg, size_t size)
{
	int rc = put_command(cmd, arg, size);

	if (rc) {
		fput(file);
		put_unused_fd(fd);
		return rc;
	}
	fd_install(fd, file);
	return 0;
}

static int session_release(struct inode *inode, struct file *file)
{
	kho_session_close(file->private_data);
	return 0;
}

static int do_preserve_fd(struct liveupdate_session *session, unsigned long arg)
{
	union command cmd;
	int rc = get_command(&cmd, arg, sizeof(cmd.preserve_fd));

	return rc ?: kho_session_preserve_fd(session, cmd.preserve_fd.fd,
					     cmd.preserve_fd.token);
}

static int do_retrieve_fd(struct liveupdate_session *session, unsigned long arg)
{
	union command cmd;
	struct file *file;
	int fd, rc;

	rc = get_command(&cmd, arg, sizeof(cmd.retrieve_fd));
	if (rc)
		return rc;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	/* Before anything is restored the answer must have a place to go to. */
	cmd.retrieve_fd.fd = fd;
	rc = put_command(&cmd, arg, sizeof(cmd.retrieve_fd));
	if (!rc)
		rc = kho_session_retrieve_file(session, cmd.retrieve_fd.token,
					       &file);
	if (rc) {
		put_unused_fd(fd);
		return rc;
	}
	fd_install(fd, file);
	return 0;
}

static int do_finish(struct liveupdate_session *session, unsigned long arg)
{
	union command cmd;
	int rc = get_command(&cmd, arg, sizeof(cmd.finish));

	if (rc)
		return rc;
	if (cmd.finish.reserved)
		return -EINVAL;
	return kho_session_finish(session);
}

static int do_get_name(struct liveupdate_session *session, unsigned long arg)
{
	union command cmd;
	int rc = get_command(&cmd, arg, sizeof(cmd.get_name));

	if (rc)
		return rc;
	if (cmd.get_name.reserved)
		return -EINVAL;
	memcpy(cmd.get_name.name, session->name, sizeof(cmd.get_name.name));
	return put_command(&cmd, arg, sizeof(cmd.get_name));
}

/*
 * As Linux 7.3 answers: a number that is none of ours is EINVAL, whatever else there is;
 * another command of such a number is ENOTTY, if its argument can be read.
 */
static int check_command(unsigned int cmd, unsigned int first,
			 unsigned int last, unsigned long arg)
{
	u32 size;

	if (_IOC_NR(cmd) < first || _IOC_NR(cmd) > last)
		return -EINVAL;
	if (copy_from_user(&size, (void __user *)arg, sizeof(size)))
		return -EFAULT;
	return 0;
}

static long session_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	struct liveupdate_session *session = file->private_data;
	bool incoming = session->incoming;
	int rc;

	rc = check_command(nr, LIVEUPDATE_CMD_SESSION_BASE,
			   LIVEUPDATE_CMD_SESSION_GET_NAME, arg);
	if (rc)
		return rc;
	switch (nr) {
	case LIVEUPDATE_SESSION_PRESERVE_FD:
		return incoming ? -EINVAL : do_preserve_fd(session, arg);
	case LIVEUPDATE_SESSION_RETRIEVE_FD:
		return incoming ? do_retrieve_fd(session, arg) : -EINVAL;
	case LIVEUPDATE_SESSION_FINISH:
		return incoming ? do_finish(session, arg) : -EINVAL;
	case LIVEUPDATE_SESSION_GET_NAME:
		return do_get_name(session, arg);
	}
	return -ENOTTY;
}

/* Who holds a session? Takes no lock, so that it tells also when something hangs. */
static void session_show_fdinfo(struct seq_file *m, struct file *file)
{
	const struct liveupdate_session *session = file->private_data;
	const char *name = session->name;

	/* Escaped as in /sys/kernel/kho/sessions. */
	seq_puts(m, "session:\t");
	if (*name == '/') {
		seq_puts(m, "\\057");
		name++;
	}
	seq_escape_mem(m, name, strlen(name),
		       ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND, " \\");
	seq_printf(m, "\ndirection:\t%s\n",
		   session->incoming ? "incoming" : "outgoing");
}

static const struct file_operations session_fops = {
	.owner = THIS_MODULE,
	.show_fdinfo = session_show_fdinfo,
	.release = session_release,
	.unlocked_ioctl = session_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int do_session(unsigned int nr, unsigned long arg)
{
	char path[LIVEUPDATE_SESSION_NAME_LENGTH + 16];
	struct liveupdate_session *session;
	union command cmd;
	struct file *file;
	int fd, rc;

	/* Both structures are the same. */
	rc = get_command(&cmd, arg, sizeof(cmd.create));
	if (rc)
		return rc;
	rc = clean_name(cmd.create.name);
	if (rc)
		return nr == LIVEUPDATE_IOCTL_CREATE_SESSION ? rc : -ENOENT;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (nr == LIVEUPDATE_IOCTL_CREATE_SESSION)
		session = kho_session_create(cmd.create.name);
	else
		session = kho_session_open(cmd.create.name);
	if (IS_ERR(session)) {
		put_unused_fd(fd);
		return PTR_ERR(session);
	}
	/* Programs recognise a session by this name in /proc. */
	snprintf(path, sizeof(path), "[luo_session] %s", session->name);
	file = anon_inode_getfile(path, &session_fops, session, O_RDWR);
	if (IS_ERR(file)) {
		kho_session_close(session);
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	cmd.create.fd = fd;
	return give_file(file, fd, &cmd, arg, sizeof(cmd.create));
}

static long device_ioctl(struct file *file, unsigned int nr, unsigned long arg)
{
	int rc = check_command(nr, LIVEUPDATE_CMD_BASE,
			       LIVEUPDATE_CMD_RETRIEVE_SESSION, arg);

	if (rc)
		return rc;
	switch (nr) {
	case LIVEUPDATE_IOCTL_CREATE_SESSION:
	case LIVEUPDATE_IOCTL_RETRIEVE_SESSION:
		return do_session(nr, arg);
	}
	return -ENOTTY;
}

static int device_open(struct inode *inode, struct file *file)
{
	return atomic_cmpxchg(&in_use, 0, 1) ? -EBUSY : 0;
}

static int device_release(struct inode *inode, struct file *file)
{
	atomic_set(&in_use, 0);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.release = device_release,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "liveupdate",
	.fops = &device_fops,
	.mode = 0600,
};

static int __init session_dev_init(void)
{
	return liveupdate_enabled() ? misc_register(&device) : 0;
}
late_initcall(session_dev_init);
