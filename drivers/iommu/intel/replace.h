/* SPDX-License-Identifier: GPL-2.0-only */
/* Attaching without a gap: see replace.c. */
#ifndef _INTEL_REPLACE_H
#define _INTEL_REPLACE_H

struct device;
struct iommu_domain;

int intel_iommu_replace(struct iommu_domain *domain, struct device *dev);

#endif /* _INTEL_REPLACE_H */
