/* SPDX-License-Identifier: GPL-2.0-only */
/* Stands in for the kernel's header: a domain, of which only the type is looked at. */
#ifndef _KHO_TEST_IOMMU_H
#define _KHO_TEST_IOMMU_H

#include <linux/kernel.h>

#define IOMMU_READ	1
#define IOMMU_WRITE	2

struct iommu_domain {
	unsigned int type;
};

#endif
