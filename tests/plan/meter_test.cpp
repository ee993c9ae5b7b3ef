// tests/plan/meter_test.cpp - levels of a wall meter that are known because they were put there, and broken
// files.
#include "plan/meter.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "material.h"

namespace hearth::plan {
namespace {

// Idle at 40 W for an hour, load at 310 W for half of one, ten seconds between readings, a ramp of four
// readings each way and noise of a watt.
std::string measured_hour(bool dates) {
    std::string csv = "time,watts,volts\n";
    Philox random(5);
    const auto add = [&](int second, double watts) {
        const std::string time = dates ? fmt::format("2026-11-23T{:02}:{:02}:{:02}Z", 10 + second / 3600,
                                                     second / 60 % 60, second % 60)
                                       : fmt::format("{}", second);
        csv += fmt::format("{},{:.2f},230\n", time, watts + 0.5 * random.normal());
    };
    for (int i = 0; i < 540; ++i) {
        const int into = i - 180;  // of the load, which lasts 180 readings
        const bool ramp = (into >= 0 && into < 4) || (into >= 180 && into < 184);
        add(10 * i, ramp ? 175 : into >= 0 && into < 180 ? 310 : 40);
    }
    return csv;
}

TEST(Meter, FindsTheLevelsThatWerePutThere) {
    for (const bool dates : {false, true}) {
        const auto reading = meter_of(measured_hour(dates), "meter.csv");
        ASSERT_OK(reading);
        EXPECT_NEAR(reading->idle_watts, 40, 0.3);
        EXPECT_NEAR(reading->load_watts, 310, 0.3);
        EXPECT_NEAR(reading->seconds, 5400, 1e-6);
        EXPECT_NEAR(reading->load_share, 1.0 / 3, 0.02);
        EXPECT_NEAR(reading->kilowatt_hours, (3560 * 40 + 1760 * 310 + 80 * 175) / 3.6e6, 1e-3);
        CostInputs inputs;
        use_meter(*reading, inputs);
        EXPECT_EQ(inputs.power.idle_watts, reading->idle_watts);
        EXPECT_EQ(*inputs.power.load_watts, reading->load_watts);
    }
}

TEST(Meter, ReadingsCountByTheTimeTheyHold) {
    // Twelve readings of 100 W in a burst, then 50 W and 100 W each for long: by number 100 W would be idle.
    std::string csv = "watts,time\n";
    for (int i = 0; i < 12; ++i) csv += fmt::format("100,{}\n", i);
    for (int i = 0; i < 40; ++i) csv += fmt::format("50,{}\n", 20 + 8 * i);
    for (int i = 0; i < 40; ++i) csv += fmt::format("400,{}\n", 400 + 8 * i);
    const auto reading = meter_of(csv, "m");
    ASSERT_OK(reading);
    EXPECT_EQ(reading->idle_watts, 50);
    EXPECT_EQ(reading->load_watts, 400);
    // The meter was off for a day: no reading is held that long.
    csv += "400,90000\n";
    EXPECT_NEAR(meter_of(csv, "m")->seconds, reading->seconds + 8, 1e-6);
}

TEST(Meter, BrokenFilesNameTheLine) {
    const auto fault = [](const std::string& csv) { return meter_of(csv, "m.csv").error(); };
    const std::string ten = "1,40\n2,40\n3,40\n4,40\n5,40\n6,300\n7,300\n8,300\n9,300\n";
    EXPECT_EQ(fault("").fault, Fault::corrupt);
    EXPECT_NE(fault("time,power\n1,2\n").message.find("no watts"), std::string::npos);
    EXPECT_NE(fault("time,watts\n1,40\n1,41\n").message.find("m.csv:3"), std::string::npos);
    for (const char* odd :
         {"x,40", "10,-1", "10,1e9", "10,nan", "10,inf", "10,", ",40", "1e999,40", "1e300,40", "nan,40",
          "2026-13-01T00:00:00,40", "2026-02-30T00:00:00,40", "2026-11-23T24:00:00,40",
          "2026-11-23T10:00:0x,40", "1969-11-23T10:00:00,40", "10,40,1", "10"}) {
        const auto reading = meter_of("time,watts\n" + ten + odd + "\n", "m.csv");
        ASSERT_FALSE(reading.has_value()) << odd;
        EXPECT_EQ(reading.error().fault, Fault::corrupt) << odd;
        EXPECT_NE(reading.error().message.find("m.csv:11"), std::string::npos) << reading.error().message;
    }
    EXPECT_EQ(fault("time,watts\n" + ten).fault, Fault::usage);  // nine readings
    std::string flat = "time,watts\n", close = flat;
    for (int i = 0; i < 30; ++i) {
        flat += fmt::format("{},40\n", i);
        close += fmt::format("{},{}\n", i, i < 15 ? 40 : 44);
    }
    for (const std::string& one_level : {flat, close}) EXPECT_EQ(fault(one_level).fault, Fault::usage);
}

TEST(Meter, CutOffAnywhere) {
    const std::string whole = measured_hour(true).substr(0, 2000);
    for (std::size_t n = 0; n <= whole.size(); ++n) {
        const auto reading = meter_of(std::string_view(whole).substr(0, n), "m");
        if (reading) {
            ASSERT_LE(reading->idle_watts, reading->load_watts);
        }
    }
}

}  // namespace
}  // namespace hearth::plan
