// SPDX-License-Identifier: GPL-2.0-only
/*
 * khoctl check: PCI devices that do not go on through a kexec, as nobody could preserve them: those
 * of the host's own drivers, and those that nobody drives, of which somebody may have unbound the
 * driver. Devices of vfio-pci are looked at in findings_devices.c.
 *
 * Nothing of this is a reason against a live update: the next kernel starts these devices anew.
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "khoctl.h"

/* Devices that are named for a driver; there may be many. */
#define NAMED_MAX	8

/* The base class of bridges, which go on when a device below them does */
#define CLASS_BRIDGE	0x06

/**
 * struct drivers - drivers, and those of their devices that are named
 * @driver: the drivers
 * @nr: how many
 */
struct drivers {
	struct driver {
		char *name, *devices;
		size_t nr;
	} *driver;
	size_t nr;
};

static void add_device(struct drivers *drivers, const char *name, const char *address)
{
	struct driver *driver;
	char *longer;
	size_t i;

	for (i = 0; i < drivers->nr && strcmp(drivers->driver[i].name, name); i++)
		;
	if (i == drivers->nr) {
		drivers->driver = xrealloc(drivers->driver, ++drivers->nr * sizeof(*driver));
		drivers->driver[i] = (struct driver) { xstrdup(name), xstrdup(""), 0 };
	}
	driver = &drivers->driver[i];
	if (driver->nr++ >= NAMED_MAX)
		return;
	longer = xasprintf("%s%s%s", driver->devices, *driver->devices ? ", " : "", address);
	free(driver->devices);
	driver->devices = longer;
}

static bool is_bridge(const char *address)
{
	char *class = device_text(address, "class");
	bool yes = class && strtoul(class, NULL, 16) >> 16 == CLASS_BRIDGE;

	free(class);
	return yes;
}

/* The driver that somebody chose for it; an empty text when nobody did */
static char *chosen_driver(const char *address)
{
	char *chosen = device_text(address, "driver_override");

	if (!chosen || !strcmp(chosen, "(null)")) {
		free(chosen);
		chosen = xstrdup("");
	}
	return chosen;
}

/* Nobody drives it. */
static void find_unbound(struct findings *findings, struct drivers *drivers, const char *address)
{
	char *chosen = chosen_driver(address), *remedy;

	if (*chosen) {
		remedy = xasprintf("echo %s > /sys/bus/pci/drivers_probe; or clear driver_override",
				   address);
		find(findings, FINDING_NOTE, "unbound", remedy,
		     "%s does not go on: it is meant for %s, which does not drive it now",
		     address, chosen);
		free(remedy);
	} else {
		add_device(drivers, "", address);
	}
	free(chosen);
}

static void find_one(struct findings *findings, struct drivers *drivers, const char *address)
{
	char *driver = device_driver(address);

	if (!driver && !is_bridge(address))
		find_unbound(findings, drivers, address);
	else if (driver && strcmp(driver, "vfio-pci") && !is_bridge(address))
		add_device(drivers, driver, address);
	free(driver);
}

static void print_driver(struct findings *findings, const struct driver *driver)
{
	const char *more = driver->nr > NAMED_MAX ? ", ..." : "";

	if (*driver->name)
		find(findings, FINDING_NOTE, "host device", NULL,
		     "%s: %zu of its devices do not go on, the next kernel starts them anew: %s%s",
		     driver->name, driver->nr, driver->devices, more);
	else
		find(findings, FINDING_NOTE, "unbound", NULL,
		     "%zu devices do not go on: nobody drives them, as their driver was unbound or is not there: %s%s",
		     driver->nr, driver->devices, more);
}

/**
 * find_host_devices - devices that do not go on, and those that nobody drives
 * @findings: where to note it
 */
void find_host_devices(struct findings *findings)
{
	char *path = rooted(DEVICE_DIR);
	struct dirent **entries;
	struct drivers drivers = { 0 };
	int nr = scandir(path, &entries, NULL, alphasort), i;
	size_t d;

	free(path);
	for (i = 0; i < nr; i++) {
		if (strchr(entries[i]->d_name, ':'))
			find_one(findings, &drivers, entries[i]->d_name);
		free(entries[i]);
	}
	if (nr >= 0)
		free(entries);
	for (d = 0; d < drivers.nr; d++) {
		print_driver(findings, &drivers.driver[d]);
		free(drivers.driver[d].name);
		free(drivers.driver[d].devices);
	}
	free(drivers.driver);
}
