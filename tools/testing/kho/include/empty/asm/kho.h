/* SPDX-License-Identifier: GPL-2.0-only */
/* Empty: nothing of it is used by what is tested. */
