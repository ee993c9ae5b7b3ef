// tests/base/energy_test.cpp - a tree of counters as the kernel's powercap documentation lays it out.
#include "base/energy.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/file.h"
#include "material.h"

namespace hearth {
namespace {

class EnergyTest : public testing::Test {
  protected:
    void SetUp() override {
        root_ = fs::temp_directory_path() / fmt::format("hearth-energy-{}", getpid());
        fs::create_directories(root_);
    }
    void TearDown() override { fs::remove_all(root_); }
    void put(const std::string& domain, const char* file, const std::string& text) {
        const fs::path folder = root_ / "sys/class/powercap" / domain;
        fs::create_directories(folder);
        EXPECT_OK(write_whole(folder / file, text));
    }
    void domain(const std::string& id, const std::string& name, const std::string& microjoules) {
        put(id, "name", name + "\n");
        put(id, "max_energy_range_uj", "262143328850\n");
        put(id, "energy_uj", microjoules + "\n");
    }
    fs::path root_;
};

TEST_F(EnergyTest, PackagesAndMemoryCountCoresDoNot) {
    domain("intel-rapl:0", "package-0", "1000000");
    domain("intel-rapl:0:0", "core", "7");
    domain("intel-rapl:0:1", "dram", "500000");
    domain("intel-rapl:1", "package-1", "262143000000");
    domain("intel-rapl:2", "psys", "9");
    EnergyMeter meter = EnergyMeter::open(root_);
    EXPECT_EQ(meter.names(), (std::vector<std::string>{"package-0", "dram", "package-1"}));
    EXPECT_EQ(meter.joules(), 0);
    put("intel-rapl:0", "energy_uj", "3500000\n");
    put("intel-rapl:0:0", "energy_uj", "99999999\n");
    put("intel-rapl:0:1", "energy_uj", "750000\n");
    put("intel-rapl:2", "energy_uj", "99999999\n");
    EXPECT_DOUBLE_EQ(meter.joules(), 2.75);
    // The second package's counter wraps: 0.32885 J to its end, and 0.5 J from there.
    put("intel-rapl:1", "energy_uj", "500000\n");
    EXPECT_NEAR(meter.joules(), 2.75 + 0.32885 + 0.5, 1e-9);
    put("intel-rapl:0", "energy_uj", "nonsense\n");
    EXPECT_NEAR(meter.joules(), 2.75 + 0.32885 + 0.5, 1e-9);
}

TEST_F(EnergyTest, WhatCannotBeReadIsLeftOut) {
    EXPECT_TRUE(EnergyMeter::open(root_ / "nothing").empty());
    put("intel-rapl:0", "name", "package-0\n");  // no counter: the kernel lets root alone read it
    EnergyMeter meter = EnergyMeter::open(root_);
    EXPECT_TRUE(meter.empty());
    EXPECT_EQ(meter.joules(), 0);
}

}  // namespace
}  // namespace hearth
