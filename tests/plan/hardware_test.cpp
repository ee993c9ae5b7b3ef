// tests/plan/hardware_test.cpp - trees as the kernel's documentation lays them out (amdgpu, KFD, xe), and a
// stand-in for NVIDIA's library.
#include "plan/hardware.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "base/machine.h"
#include "material.h"
#include "plan/kfd.h"
#include "plan/nvml.h"

namespace hearth::plan {
namespace {

class HardwareTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / fmt::format("hearth-hardware-{}", getpid());
        fs::create_directories(root_);
    }
    void TearDown() override { fs::remove_all(root_); }
    void put(const std::string& path, std::string_view text) {
        fs::create_directories((root_ / path).parent_path());
        EXPECT_OK(write_whole(root_ / path, text));
    }
    Hardware read() { return read_hardware(root_, "no/such/library.so"); }
    fs::path root_;
};

TEST_F(HardwareTest, AServerWithFourCards) {
    for (int i = 0; i < 4; ++i) {
        const std::string card = fmt::format("sys/class/drm/card{}/device/", i);
        put(card + "vendor", "0x1002\n");
        put(card + "device", "0x738c\n");
        put(card + "product_name", "MI100\n");
        put(card + "mem_info_vram_total", "34342961152\n");
        put(card + "mem_info_gtt_total", "33000000000\n");
        put(card + "hwmon/hwmon3/power1_cap", "290000000\n");
        // A node's memory as KFD gives it: 4096 bits at 1200 MHz, two transfers a clock: 1228.8 GB/s.
        put(fmt::format("sys/class/kfd/kfd/topology/nodes/{}/properties", i + 1),
            "simd_count 480\nvendor_id 4098\nlocation_id 8960\ndomain 0\n");
        put(fmt::format("sys/class/kfd/kfd/topology/nodes/{}/mem_banks/0/properties", i + 1),
            "heap_type 1\nsize_in_bytes 34342961152\nflags 0\nwidth 4096\nmem_clk_max 1200\n");
    }
    put("sys/class/drm/card0-DP-1/status", "disconnected\n");
    put("sys/devices/system/node/node0/meminfo", "Node 0 MemTotal:       32000000 kB\n");
    put("sys/devices/system/node/node1/meminfo", "Node 1 MemTotal:       32000000 kB\n");
    put("sys/devices/system/cpu/cpu0/cache/index3/size", "16384K\n");
    put("sys/block/nvme0n1/size", "2000409264\n");
    put("sys/block/nvme0n1/queue/rotational", "0\n");
    put("sys/block/nvme0n1/device/model", "Fast Disk 1TB   \n");
    put("sys/block/loop0/size", "8\n");
    const Hardware h = read();
    ASSERT_EQ(h.gpus.size(), 4u);
    const Gpu& gpu = h.gpus[2];
    EXPECT_EQ(gpu.vendor, "AMD");
    EXPECT_EQ(gpu.memory_bytes->value, 34342961152.0);
    EXPECT_NEAR(gpu.read_bytes_per_second->value, 1228.8e9, 1);
    EXPECT_EQ(gpu.read_bytes_per_second->method, Method::derived);
    EXPECT_EQ(gpu.power_limit_watts->value, 290);
    EXPECT_FALSE(gpu.is_unified);
    EXPECT_EQ(h.n_numa_nodes, 2);
    EXPECT_EQ(h.last_level_cache_bytes, 16384 * 1024.0);
    ASSERT_EQ(h.disks.size(), 1u);
    EXPECT_EQ(h.disks[0].model, "Fast Disk 1TB");
    EXPECT_EQ(h.disks[0].bytes, 2000409264 * 512.0);
}

TEST_F(HardwareTest, UnifiedMemoryIsSeenForWhatItIs) {
    put("sys/class/drm/card1/device/vendor", "0x1002\n");
    put("sys/class/drm/card1/device/device", "0x1586\n");
    put("sys/class/drm/card1/device/mem_info_vram_total", "536870912\n");
    put("sys/class/drm/card1/device/mem_info_gtt_total", "128849018880\n");
    const Hardware h = read();
    ASSERT_EQ(h.gpus.size(), 1u);
    EXPECT_TRUE(h.gpus[0].is_unified);
    EXPECT_EQ(h.gpus[0].shared_bytes->value, 128849018880.0);
    EXPECT_EQ(h.gpus[0].model.confidence, Confidence::low);  // a number is all there is
}

// Files and units: the kernel's Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon and sysfs-bus-pci.
TEST_F(HardwareTest, AnIntelCard) {
    put("sys/class/drm/card0/device/vendor", "0x8086\n");
    put("sys/class/drm/card0/device/device", "0xe20b\n");
    put("sys/class/drm/card0/device/resource",
        "0x00000000b1000000 0x00000000b1ffffff 0x0000000000140204\n"
        "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
        "0x0000004000000000 0x00000042ffffffff 0x000000000014220c\n");
    put("sys/class/drm/card0/device/hwmon/hwmon2/power1_max", "0\n");  // 0: no limit is set
    put("sys/class/drm/card0/device/hwmon/hwmon2/power1_rated_max", "190000000\n");
    put("sys/class/drm/card0/device/hwmon/hwmon2/energy1_input", "8123456789\n");
    const Hardware h = read();
    ASSERT_EQ(h.gpus.size(), 1u);
    EXPECT_EQ(h.gpus[0].vendor, "Intel");
    EXPECT_EQ(h.gpus[0].memory_bytes->value, 12 * 0x1p30);
    EXPECT_EQ(h.gpus[0].memory_bytes->method, Method::derived);
    EXPECT_EQ(h.gpus[0].power_limit_watts->value, 190);
    EXPECT_TRUE(h.gpus[0].has_energy_counter);
    // The small window of a machine without resizable ones says nothing.
    put("sys/class/drm/card0/device/resource", "0x0000004000000000 0x000000400fffffff 0x000000000014220c\n");
    EXPECT_FALSE(read().gpus[0].memory_bytes.has_value());
}

// Trees captured from real machines by tools/fixtures/capture_machine.py: {"/path": "content"}.
TEST_F(HardwareTest, ACapturedVirtualMachine) {
    const Json tree =
        parse_json(read_text(tests::fixture("plan/machine-vm.json"), 1 << 22).value(), "machine-vm.json")
            .value();
    for (const auto& [path, text] : tree.at("files").as_object())
        put(std::string(path).substr(1), std::string_view(text.as_string()));
    const Hardware h = read();
    const boost::json::object& seen = tree.at("seen").as_object();  // by lscpu, free, lsblk, numactl there
    EXPECT_EQ(h.n_numa_nodes, seen.at("numa_nodes").as_int64());
    EXPECT_EQ(h.last_level_cache_bytes, seen.at("last_level_cache_bytes").to_number<double>());
    EXPECT_TRUE(h.gpus.empty());
    ASSERT_EQ(h.disks.size(), seen.at("disks").as_object().size());
    for (const Disk& disk : h.disks)
        EXPECT_EQ(disk.bytes, seen.at("disks").at(disk.device).to_number<double>()) << disk.device;
    const Machine machine = read_machine(root_);
    EXPECT_EQ(machine.memory_bytes, seen.at("memory_bytes").to_number<std::uint64_t>());
    EXPECT_EQ(machine.cpu_name, std::string_view(seen.at("cpu_name").as_string()));
    EXPECT_FALSE(machine.cpu_flags.empty());
}

class KfdTest : public HardwareTest {
  protected:
    void SetUp() override {
        HardwareTest::SetUp();
        const Json tree = parse_json(read_text(tests::fixture("plan/machine-kfd.json"), 1 << 20).value(),
                                     "machine-kfd.json")
                              .value();
        for (const auto& [path, text] : tree.at("files").as_object()) {
            paths_.push_back(std::string(path).substr(1));
            put(paths_.back(), std::string_view(text.as_string()));
        }
    }
    std::vector<std::string> paths_;
};

// A container that was given the compute devices and no display nodes.
TEST_F(KfdTest, CardsOfTheComputeTopologyAlone) {
    const Hardware h = read();
    ASSERT_EQ(h.gpus.size(), 2u);  // the processor's node is none
    EXPECT_EQ(h.gpus[0].pci, "0000:23:00.0");
    EXPECT_EQ(h.gpus[1].pci, "0000:26:00.0");
    for (const Gpu& gpu : h.gpus) {
        EXPECT_EQ(gpu.vendor, "AMD");
        EXPECT_EQ(gpu.model.value, "arcturus, gfx908");
        EXPECT_EQ(gpu.memory_bytes->value, 34342961152.0);
        EXPECT_NEAR(gpu.read_bytes_per_second->value, 1228.8e9, 1);
        EXPECT_FALSE(gpu.is_unified);
    }
    EXPECT_EQ(h.notes.size(), 2u);
}

TEST_F(KfdTest, ADisplayNodeAndItsComputeNodeAreOneCard) {
    put("sys/devices/pci0000:20/0000:26:00.0/vendor", "0x1002\n");
    put("sys/devices/pci0000:20/0000:26:00.0/device", "0x738c\n");
    put("sys/devices/pci0000:20/0000:26:00.0/mem_info_vram_total", "34342961152\n");
    fs::create_directories(root_ / "sys/class/drm/card0");
    fs::create_directory_symlink(root_ / "sys/devices/pci0000:20/0000:26:00.0",
                                 root_ / "sys/class/drm/card0/device");
    // Its bandwidth is of its own node, not of the first with as much memory.
    put("sys/class/kfd/kfd/topology/nodes/2/mem_banks/0/properties",
        "heap_type 1\nsize_in_bytes 34342961152\nflags 0\nwidth 4096\nmem_clk_max 1000\n");
    const Hardware h = read();
    ASSERT_EQ(h.gpus.size(), 2u);
    EXPECT_EQ(h.gpus[0].pci, "0000:26:00.0");
    EXPECT_EQ(h.gpus[0].model.value, "arcturus, gfx908");
    EXPECT_NEAR(h.gpus[0].read_bytes_per_second->value, 1024e9, 1);
    EXPECT_EQ(h.gpus[1].pci, "0000:23:00.0");
    EXPECT_NEAR(h.gpus[1].read_bytes_per_second->value, 1228.8e9, 1);
}

TEST_F(KfdTest, FilesCutOffAnywhereGiveLess) {
    const std::string name = "sys/class/kfd/kfd/topology/nodes/1/";
    for (const std::string& path : paths_) {
        if (!path.starts_with(name)) continue;
        const std::string whole = read_text(root_ / path, 1 << 16).value();
        for (std::size_t n = 0; n < whole.size(); ++n) {
            std::ofstream(root_ / path) << whole.substr(0, n);
            const Hardware h = read();
            ASSERT_LE(h.gpus.size(), 2u);
            ASSERT_GE(h.gpus.size(), 1u);
        }
        put(path, whole);
    }
    for (const char* odd : {"0", "1", "18446744073709551615", "99999999999999999999999", "-1", "x", ""})
        for (const char* key : {"simd_count", "vendor_id", "location_id", "domain", "gfx_target_version"}) {
            std::string text = read_text(root_ / (name + "properties"), 1 << 16).value();
            const std::size_t at = text.find(key);
            const std::string broken =
                text.substr(0, at) + key + " " + odd + text.substr(text.find('\n', at));
            put(name + "properties", broken);
            ASSERT_LE(read().gpus.size(), 2u) << key << " " << odd;
            put(name + "properties", text);
        }
}

// Names as the kernel's amdgpu and the compiler's processor table have them.
TEST(Kfd, ArchitecturesAreNamedAsCompilersNameThem) {
    EXPECT_EQ(kfd_architecture(90008), "gfx908");
    EXPECT_EQ(kfd_architecture(90010), "gfx90a");
    EXPECT_EQ(kfd_architecture(90402), "gfx942");
    EXPECT_EQ(kfd_architecture(100300), "gfx1030");
    EXPECT_EQ(kfd_architecture(110501), "gfx1151");
    EXPECT_EQ(kfd_architecture(120001), "gfx1201");
    EXPECT_EQ(kfd_architecture(0), "");
    EXPECT_EQ(kfd_architecture(1e18), "");
}

// Source of the files: the kernel's admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
TEST_F(HardwareTest, LimitsOfControlGroups) {
    put("proc/meminfo",
        "MemTotal:       16000000 kB\nMemFree:        9000000 kB\nMemAvailable:   12000000 kB\n");
    EXPECT_EQ(read_machine(root_).memory_limit_bytes, 16000000ull * 1024);
    // Version 2: the group's own limit is none, a parent's counts; memory.high throttles before memory.max
    // kills.
    put("proc/self/cgroup", "0::/system.slice/work.service/one\n");
    put("sys/fs/cgroup/system.slice/work.service/one/memory.max", "max\n");
    put("sys/fs/cgroup/system.slice/work.service/memory.max", "8589934592\n");
    EXPECT_EQ(read_machine(root_).memory_limit_bytes, 8589934592ull);
    EXPECT_EQ(read_machine(root_).memory_available_bytes, 8589934592ull);
    put("sys/fs/cgroup/system.slice/memory.high", "4294967296\n");
    EXPECT_EQ(read_machine(root_).memory_limit_bytes, 4294967296ull);
    put("sys/fs/cgroup/system.slice/work.service/cpu.max", "100000 100000\n");
    EXPECT_EQ(read_machine(root_).cores_usable, 1);
    fs::remove_all(root_ / "sys");
    // Version 1: a tree a controller; a number near 2^63 means none.
    put("proc/self/cgroup", "12:cpu,cpuacct:/box\n9:memory:/box\n0::/\n");
    put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "9223372036854771712\n");
    EXPECT_EQ(read_machine(root_).memory_limit_bytes, 16000000ull * 1024);
    put("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "2147483648\n");
    put("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000\n");
    put("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
    EXPECT_EQ(read_machine(root_).memory_limit_bytes, 2147483648ull);
    EXPECT_EQ(read_machine(root_).cores_usable, 1);
    // Paths that lead out of the tree are not followed.
    put("proc/self/cgroup", "0::/../../../etc\nnonsense\n::\n9:memory:\n");
    EXPECT_EQ(read_machine(root_).memory_limit_bytes, 16000000ull * 1024);
}

TEST_F(HardwareTest, NvidiaWithoutItsLibraryIsNoted) {
    put("sys/class/drm/card0/device/vendor", "0x10de\n");
    const Hardware h = read();
    EXPECT_TRUE(h.gpus.empty());
    ASSERT_EQ(h.notes.size(), 1u);
    EXPECT_NE(h.notes[0].find("cannot be opened"), std::string::npos);
}

TEST_F(HardwareTest, BrokenTreesGiveLess) {
    put("sys/class/drm/card0/device/vendor", "0x1002");
    put("sys/class/drm/card0/device/mem_info_vram_total", "not a number");
    put("sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties", "size_in_bytes\nwidth x");
    put("sys/block/sda/size", "99999999999999999999999999");
    put("sys/devices/system/node/nodeX/meminfo", "MemTotal: 5");
    const Hardware h = read();
    ASSERT_EQ(h.gpus.size(), 1u);
    EXPECT_FALSE(h.gpus[0].memory_bytes.has_value());
    EXPECT_TRUE(h.disks.empty());
    EXPECT_EQ(h.n_numa_nodes, 1);
    EXPECT_TRUE(read_hardware(root_ / "nothing", "none").gpus.empty());
}

// The program of this test is no NVIDIA library: it opens, and has none of the calls.
TEST(Nvml, LibrariesWithoutTheCallsAreNoCards) {
    EXPECT_NE(read_nvml("no/such/file.so").why.find("cannot be opened"), std::string::npos);
    EXPECT_NE(read_nvml("libm.so.6").why.find("does not start"), std::string::npos);
    const NvmlReading stand_in = read_nvml(HEARTH_FAKE_NVML);
    ASSERT_EQ(stand_in.cards.size(), 3u) << stand_in.why;
    EXPECT_EQ(stand_in.cards[0].name, "NVIDIA GeForce RTX 5090");
    EXPECT_EQ(*stand_in.cards[0].memory_bytes, 34190917632.0);
    EXPECT_EQ(*stand_in.cards[0].power_limit_watts, 575);
    EXPECT_EQ(stand_in.cards[0].pci, "00000000:01:00.0");
    EXPECT_EQ(*stand_in.cards[0].joules, 1234.567);
    EXPECT_FALSE(stand_in.cards[1].memory_bytes.has_value());  // GB10: not supported
    EXPECT_FALSE(stand_in.cards[1].joules.has_value());
    EXPECT_EQ(*stand_in.cards[2].memory_bytes,
              128456036352.0);  // GB10 too: another driver gives the machine's
    const Hardware h = read_hardware("/no/such/root", HEARTH_FAKE_NVML);
    ASSERT_EQ(h.gpus.size(), 3u);
    EXPECT_EQ(h.gpus[0].read_bytes_per_second->value, 1792e9);  // of the table
    EXPECT_TRUE(h.gpus[0].has_energy_counter);
    EXPECT_FALSE(h.gpus[0].is_unified);
    for (const std::size_t board : {1u, 2u}) {
        EXPECT_TRUE(h.gpus[board].is_unified);
        EXPECT_FALSE(h.gpus[board].memory_bytes.has_value());
        EXPECT_EQ(h.gpus[board].read_bytes_per_second->value, 273e9);
    }
    ASSERT_EQ(h.notes.size(), 1u);
    EXPECT_NE(h.notes[0].find("128 GB of memory are the machine's"), std::string::npos) << h.notes[0];
}

TEST(Disk, ReadsAFile) {
    const auto rate = measure_disk_read(tests::source_dir() / "models/ember/model.safetensors", 1 << 24);
    ASSERT_OK(rate);
    EXPECT_GT(*rate, 1e6);
    EXPECT_EQ(measure_disk_read("no/such/file", 1).error().fault, Fault::not_found);
}

}  // namespace
}  // namespace hearth::plan
