################################################################################
#
# framemill
#
################################################################################

FRAMEMILL_VERSION = 0.1.0
FRAMEMILL_SITE = $(call qstrip,$(BR2_PACKAGE_FRAMEMILL_SITE))
FRAMEMILL_LICENSE = MIT or Apache-2.0
FRAMEMILL_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

# Without these the program works, and is twice as large.
FRAMEMILL_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_LTO=fat \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true

define FRAMEMILL_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/scripts/packaging/framemill.service \
		$(TARGET_DIR)/usr/lib/systemd/system/framemill.service
	$(INSTALL) -D -m 0644 $(@D)/scripts/packaging/framemill.socket \
		$(TARGET_DIR)/usr/lib/systemd/system/framemill.socket
endef

define FRAMEMILL_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(FRAMEMILL_PKGDIR)/S60framemill \
		$(TARGET_DIR)/etc/init.d/S60framemill
endef

$(eval $(cargo-package))
