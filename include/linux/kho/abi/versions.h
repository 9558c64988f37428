/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The subtree versions that this kernel can restore.
 *
 * One line per version, KHO_VERSION "<owner>-v<N>", under the condition that
 * the owner's code is built in or a module of this build. The list is compiled
 * twice: into the boot image's kernel_info, where the old kernel reads it when
 * the image is loaded, and into the kernel, which compares what it was handed.
 *
 * An owner that can still read an older version has a line for each.
 * There is no include guard: the includer defines KHO_VERSION.
 */
/* The core: header page, map and blob, see handover.h */
KHO_VERSION "kho-v1"
#ifdef CONFIG_LIVEUPDATE
KHO_VERSION "liveupdate-v1"
#endif
#ifdef CONFIG_PCI_LIVEUPDATE
KHO_VERSION "pci-v1"
#endif
#ifdef CONFIG_IOMMU_LIVEUPDATE
KHO_VERSION "iommu-v1"
#endif
#ifdef CONFIG_KHO_TEST
KHO_VERSION "kho-test-v1"
#endif
