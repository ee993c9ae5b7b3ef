// tests/plan/fake_nvml.c - a stand-in for libnvidia-ml: a card, and boards whose memory is the machine's, one
// whose driver refuses to say how much, one that gives the machine's as its own.
#include <string.h>

int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned* n) {
    *n = 3;
    return 0;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void** card) {
    *card = (void*)(unsigned long)(i + 1);
    return 0;
}
int nvmlDeviceGetName(void* card, char* name, unsigned n) {
    strncpy(name, card == (void*)1 ? "NVIDIA GeForce RTX 5090" : "NVIDIA GB10", n);
    return 0;
}
int nvmlDeviceGetMemoryInfo(void* card, unsigned long long* memory) {
    if (card == (void*)2) return 3;  // NVML_ERROR_NOT_SUPPORTED, as driver 580 answers there
    memory[0] = card == (void*)1 ? 34190917632ull : 128456036352ull;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void* card, unsigned long long* millijoules) {
    *millijoules = 1234567;
    return card == (void*)1 ? 0 : 3;
}
int nvmlDeviceGetEnforcedPowerLimit(void* card, unsigned* milliwatts) {
    *milliwatts = 575000;
    return card == (void*)1 ? 0 : 3;
}
int nvmlDeviceGetPciInfo_v3(void* card, char* info) {
    memset(info, 0, 68);
    strcpy(info + 36, card == (void*)1 ? "00000000:01:00.0" : "0000000F:01:00.0");
    return 0;
}
