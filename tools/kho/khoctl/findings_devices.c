// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: the IOMMU, and which of the devices bound to vfio-pci could not be preserved. What
 * only the program that has a device could tell, such as what it mapped, is not known here.
 */
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "khoctl.h"

#define DRIVER_DIR	"/sys/bus/pci/drivers/vfio-pci"

#define PCI_STATUS_HIGH		0x06
#define PCI_STATUS_CAPS		0x10
#define PCI_CAPS		0x34
#define PCI_EXT_CAPS		0x100
#define CAP_EXPRESS		0x10
#define CAP_EA			0x14
#define EXT_CAP_PRI		0x13
#define VENDOR_INTEL		0x8086
#define CLASS_DISPLAY		0x03

char *device_text(const char *address, const char *file)
{
	char *path = xasprintf(DEVICE_DIR "/%s/%s", address, file);
	char *text = read_text(path);

	free(path);
	return text;
}

char *device_driver(const char *address)
{
	char *path = xasprintf("%s" DEVICE_DIR "/%s/driver", root_dir, address), *slash;
	char link[PATH_MAX];
	ssize_t len = readlink(path, link, sizeof(link) - 1);

	free(path);
	if (len < 0)
		return NULL;
	link[len] = '\0';
	slash = strrchr(link, '/');
	return xstrdup(slash ? slash + 1 : link);
}

static bool device_has(const char *address, const char *file)
{
	char *path = xasprintf(DEVICE_DIR "/%s/%s", address, file);
	bool yes = exists(path);

	free(path);
	return yes;
}

/* Where a capability is, 0 when it is not there. @config has @len bytes. */
static size_t find_cap(const unsigned char *config, size_t len, unsigned char id)
{
	unsigned int tries = 48;
	size_t at;

	if (len <= PCI_CAPS || !(config[PCI_STATUS_HIGH] & PCI_STATUS_CAPS))
		return 0;
	for (at = config[PCI_CAPS] & ~3; at >= 0x40 && at + 1 < len && tries--;
	     at = config[at + 1] & ~3)
		if (config[at] == id)
			return at;
	return 0;
}

static size_t find_ext_cap(const unsigned char *config, size_t len, unsigned char id)
{
	size_t at = PCI_EXT_CAPS;
	unsigned int tries = 960;

	while (at >= PCI_EXT_CAPS && at + 8 <= len && tries--) {
		if (config[at] == id && !config[at + 1])
			return at;
		at = (config[at + 3] << 4 | config[at + 2] >> 4) & ~3;
	}
	return 0;
}

static void cannot(struct findings *findings, const char *address, const char *why,
		   const char *remedy)
{
	find(findings, FINDING_NO, "device", remedy, "%s cannot be preserved: %s", address, why);
}

/* What the configuration space says; all of it can be read by root only. */
static void find_in_config(struct findings *findings, const char *address)
{
	char *path = xasprintf("%s" DEVICE_DIR "/%s/config", root_dir, address);
	unsigned char *config;
	size_t len = 0, at;

	config = (unsigned char *)read_file(path, &len);
	free(path);
	if (!config || len <= 64) {
		find(findings, FINDING_UNKNOWN, "device", "try as root",
		     "%s: its configuration space cannot be read", address);
		free(config);
		return;
	}
	if (find_cap(config, len, CAP_EA))
		cannot(findings, address, "it has enhanced allocation", NULL);
	at = find_ext_cap(config, len, EXT_CAP_PRI);
	if (at && config[at + 4] & 1)
		cannot(findings, address, "page requests are enabled", NULL);
	free(config);
}

/* All devices of a group are one for the IOMMU. */
static void find_member(struct findings *findings, const char *address, const char *member)
{
	char *driver = device_driver(member);

	if (driver && strcmp(driver, "vfio-pci"))
		find(findings, FINDING_NO, "device", "give vfio-pci that one, too, and preserve it",
		     "%s cannot be preserved: it shares a group with %s, which %s drives",
		     address, member, driver);
	else
		find(findings, FINDING_NOTE, "device", driver ? NULL : "bind that one to vfio-pci",
		     "%s shares a group with %s%s: preserve all of it", address, member,
		     driver ? "" : ", which nobody drives");
	free(driver);
}

static void find_group(struct findings *findings, const char *address)
{
	char *path = xasprintf("%s" DEVICE_DIR "/%s/iommu_group/devices", root_dir, address);
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		cannot(findings, address, "no IOMMU translates for it",
		       "start this kernel with intel_iommu=on");
	while (dir && (entry = readdir(dir)))
		if (isxdigit((unsigned char)*entry->d_name) && strcmp(entry->d_name, address))
			find_member(findings, address, entry->d_name);
	if (dir)
		closedir(dir);
	free(path);
}

/* Intel's graphics have regions besides their BARs, whose state is not known. */
static void find_regions(struct findings *findings, const char *address)
{
	char *vendor = device_text(address, "vendor"), *class = device_text(address, "class");

	if (vendor && class && strtoul(vendor, NULL, 16) == VENDOR_INTEL &&
	    strtoul(class, NULL, 16) >> 16 == CLASS_DISPLAY)
		cannot(findings, address, "it has regions besides its BARs", "assign another");
	free(vendor);
	free(class);
}

/* Everything between a device and its root bus has to be a PCI Express port. */
static void find_bridges(struct findings *findings, const char *address)
{
	char *path = xasprintf("%s" DEVICE_DIR "/%s", root_dir, address);
	char *full = realpath(path, NULL), *slash, *config_path;
	unsigned char *config;
	size_t len;

	free(path);
	while (full && (slash = strrchr(full, '/'))) {
		*slash = '\0';
		slash = strrchr(full, '/');
		if (!slash || !strchr(slash, ':') || !strchr(slash, '.'))
			break;
		config_path = xasprintf("%s/config", full);
		config = (unsigned char *)read_file(config_path, &len);
		if (config && len > 64 && !find_cap(config, len, CAP_EXPRESS))
			find(findings, FINDING_NO, "device", "move it",
			     "%s cannot be preserved: bridge %s is no PCI Express port",
			     address, slash + 1);
		free(config);
		free(config_path);
	}
	free(full);
}

/* A virtual function goes on when its physical function does, and that one has to be vfio-pci's. */
static void find_physfn(struct findings *findings, const char *address)
{
	char *at = xasprintf("%s/physfn", address), *driver = device_driver(at), *why;

	if (!driver || strcmp(driver, "vfio-pci")) {
		why = xasprintf("its physical function's driver stays in this kernel%s%s",
				driver ? ": " : "", driver ? driver : "");
		cannot(findings, address, why, "give vfio-pci the physical function, too");
		free(why);
	}
	free(driver);
	free(at);
}

static void find_device(struct findings *findings, const char *address)
{
	char *power = device_text(address, "power_state");
	size_t before = findings_count(findings, FINDING_NO) +
			findings_count(findings, FINDING_UNKNOWN);

	findings->nr_devices++;
	if (device_has(address, "physfn"))
		find_physfn(findings, address);
	if (strtoul(address, NULL, 16) > 0xffff)
		cannot(findings, address, "its segment is known to this kernel only", NULL);
	/* An idle device sleeps until a program opens it. */
	if (power && strcmp(power, "D0") && strcmp(power, "unknown"))
		find(findings, FINDING_NOTE, "device", NULL,
		     "%s is in %s: nobody uses it now", address, power);
	find_regions(findings, address);
	find_in_config(findings, address);
	find_group(findings, address);
	find_bridges(findings, address);
	if (before == findings_count(findings, FINDING_NO) +
		      findings_count(findings, FINDING_UNKNOWN))
		find(findings, FINDING_OK, "device", NULL,
		     "%s can be preserved, for all that shows", address);
	free(power);
}

static void find_iommu(struct findings *findings)
{
	char *path = rooted("/sys/class/iommu");
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int intel = 0, other = 0;

	while (dir && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "dmar", 4))
			intel++;
		else if (*entry->d_name != '.')
			other++;
	}
	if (dir)
		closedir(dir);
	free(path);
	if (intel)
		find(findings, FINDING_OK, "IOMMU", NULL, "VT-d, %u units, translating", intel);
	else if (!findings->nr_devices)
		find(findings, FINDING_OK, "IOMMU", NULL,
		     "none of VT-d; none is needed, as no device is bound to vfio-pci");
	else
		find(findings, FINDING_NO, "IOMMU",
		     other ? "devices can be preserved on machines with VT-d only" :
		     "switch VT-d on in the firmware, and start this kernel with intel_iommu=on",
		     "%s", other ? "it is not VT-d" : "there is none, or it is off");
	if (findings->nr_devices && exists(KHO_DIR "/state") && !exists("/dev/iommu"))
		find(findings, FINDING_NO, "IOMMU",
		     "start a kernel with CONFIG_IOMMUFD, or load the module iommufd",
		     "there is no /dev/iommu: devices can be preserved with iommufd only");
}

/**
 * find_devices - the IOMMU and the devices of vfio-pci
 * @findings: where to note it
 */
void find_devices(struct findings *findings)
{
	char *path = rooted(DRIVER_DIR);
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strchr(entry->d_name, ':'))
			find_device(findings, entry->d_name);
	if (dir)
		closedir(dir);
	free(path);
	find_iommu(findings);
}
