include $(sort $(wildcard $(BR2_EXTERNAL_FRAMEMILL_PATH)/package/*/*.mk))
