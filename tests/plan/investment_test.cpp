// tests/plan/investment_test.cpp - the article's server to the cent, numpy-financial's sums, closed forms,
// and the identity between the cash and the accrual view.
#include "plan/investment.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cmath>

#include "base/file.h"
#include "material.h"

namespace hearth::plan {
namespace {

// A published build, part by part: used parts lose 10 % at once, new ones 50 %, the case all (docs/cost.md).
CostInputs server() {
    CostInputs in;
    in.currency = "USD";
    in.hardware.parts = {{"cards", 4234.82, 1, 0.1, 0},    {"board", 721.61, 1, 0.5, 0},
                         {"supply", 497.95, 1, 0.5, 0},    {"memory", 348.79, 1, 0.1, 0},
                         {"processor", 254.28, 1, 0.1, 0}, {"case", 349.00, 1, 1, 0}};
    in.hardware.method = "market";
    in.hardware.months = 60;
    in.power.load_watts = in.power.idle_watts = 630;
    in.power.price_per_kwh = 2.11 / (0.63 * 24);
    in.speed.prefill_tokens_per_second = 1444;
    in.speed.decode_tokens_per_second = 65;
    in.use.input_per_output = 20.4 / 1.32;
    in.use.output_tokens_per_month = 1.32e6 * 365 / 12;
    in.api.input_per_million = 0.29;
    in.api.output_per_million = 3.20;
    return in;
}

TEST(Investment, ThePublishedServerToTheCent) {
    CostInputs in = server();
    auto report = cost(in);
    ASSERT_OK(report);
    EXPECT_NEAR(*report->inputs.hardware.price, 6406.45, 1e-9);
    Investment i = invest(*report);
    EXPECT_NEAR(i.first_year_depreciation, 1442.57, 0.005);
    EXPECT_NEAR(i.first_year_total, 2212.72, 0.005);
    EXPECT_NEAR(*i.payback, 26.23, 0.005);
    for (const auto& [rate, months] : {std::pair{0.05, 27.80}, {0.08, 28.82}, {0.12, 30.30}}) {
        in.finance.discount_rate = rate;
        report = cost(in);
        ASSERT_OK(report);
        EXPECT_NEAR(*invest(*report).discounted_payback, months, 0.005) << rate;
    }
}

// Inputs whose month has exactly these sums: nothing but fixed costs, and a bill of one million output
// tokens.
CostReport flat(double price, double months, double resale, double api, double local) {
    CostInputs in;
    in.currency = "USD";
    in.hardware.price = price;
    in.hardware.months = months;
    in.hardware.resale = resale;
    in.hardware.fixed_per_month = local;
    in.power.load_watts = 1;
    in.power.price_per_kwh = 0;
    in.speed.prefill_tokens_per_second = in.speed.decode_tokens_per_second = 1e6;
    in.use.input_per_output = 0;
    in.use.output_tokens_per_month = 1e6;
    in.api.input_per_million = 0;
    in.api.output_per_million = api;
    return cost(in).value();
}

TEST(Investment, SumsAreNumpyFinancials) {
    const Json fixture =
        parse_json(read_text(tests::fixture("plan/cost.json"), 1 << 20).value(), "cost.json").value();
    int loans = 0, rates = 0;
    for (const Json& row : fixture.at("cases").as_array()) {
        const auto number = [&](const char* key) { return row.at(key).to_number<double>(); };
        CostReport report =
            flat(number("price"), number("months"), number("resale"), number("api"), number("local"));
        report.inputs.finance = {number("discount_rate"), number("loan_share"), number("loan_rate"),
                                 number("loan_months")};
        report.inputs.api.price_decline_per_year = number("price_decline");
        const Investment i = invest(report);
        EXPECT_NEAR(i.npv, number("npv"), 1e-6 * std::fabs(number("npv")) + 1e-6);
        if (number("loan_share") > 0) {
            ++loans;
            EXPECT_NEAR(i.months[0].loan, number("payment"), 1e-8);
        }
        if (!row.at("irr").is_null() && i.irr) {
            ++rates;
            EXPECT_NEAR(*i.irr, number("irr"), 1e-6);
        }
    }
    EXPECT_GE(loans, 4);
    EXPECT_GE(rates, 4);
}

TEST(Investment, FlatFlowsGiveTheClosedForms) {
    CostReport report = flat(5000, 600, 0, 300, 100);
    report.inputs.finance.discount_rate = 0.08;
    const double r = std::pow(1.08, 1.0 / 12) - 1;
    const Investment i = invest(report);
    EXPECT_NEAR(*i.payback, 25, 1e-9);
    EXPECT_NEAR(*i.discounted_payback, -std::log(1 - 5000 * r / 200) / std::log(1 + r), 1e-9);
    EXPECT_NEAR(i.npv, -5000 + 200 * (1 - std::pow(1 + r, -600)) / r, 1e-6);
    EXPECT_NEAR(annuity(1000, 0.01, 12), 88.8488, 1e-4);  // any table of annuities
    // A saving that never pays: the interest on the capital is above it.
    CostReport poor = flat(50'000, 1200, 0, 300, 100);
    poor.inputs.finance.discount_rate = 0.08;
    EXPECT_FALSE(invest(poor).discounted_payback.has_value());
    EXPECT_TRUE(invest(poor).payback.has_value());
}

TEST(Investment, CashAndAccrualAgreeForEveryMethod) {
    for (const char* method : {"straight_line", "declining", "double_declining", "sum_of_years", "market"})
        for (const double loan_months : {0.0, 24.0, 90.0}) {  // the last outlives the hardware
            SCOPED_TRACE(method);
            const double loan = loan_months > 0 ? 0.5 : 0;
            CostInputs in = server();
            in.hardware.method = method;
            in.finance.discount_rate = 0.09;
            in.finance.loan_share = loan;
            in.finance.loan_rate = 0.06;
            in.finance.loan_months = loan_months;
            in.api.price_decline_per_year = 0.2;
            const auto report = cost(in);
            ASSERT_OK(report);
            const Investment i = invest(*report);
            EXPECT_NEAR(i.npv, i.accrual_npv, 1e-6);
        }
}

// Lent and paid back at the rate that money is worth anyway, a loan changes nothing, whenever it ends.
TEST(Investment, ALoanAtTheDiscountRateIsWorthNothing) {
    CostInputs in = server();
    in.finance.discount_rate = in.finance.loan_rate = 0.07;
    const double without = invest(*cost(in)).npv;
    in.finance.loan_share = 0.8;
    for (const double months : {1.0, 36.0, 60.0, 61.0, 240.0}) {
        in.finance.loan_months = months;
        EXPECT_NEAR(invest(*cost(in)).npv, without, 1e-6) << months;
    }
    // A table of annuities: 1000 over 12 months at 1 % a month owes 513.9... after six: six payments
    // of 88.8488.
    EXPECT_NEAR(balance(1000, 0.01, 12, 6), 88.848789 * (1 - std::pow(1.01, -6)) / 0.01, 1e-4);
    EXPECT_EQ(balance(1000, 0, 10, 4), 600);
}

// Two failures expected: a Poisson table has P(0) = 0.1353, and 0.9473 and 0.9834 up to four and five.
TEST(Cost, SparesByAPoissonTable) {
    CostInputs in = server();
    in.failures.annual_rate = 0.4;  // in 60 months: two
    in.failures.replacement = 300;
    auto r = cost(in);
    ASSERT_OK(r);
    EXPECT_EQ(r->spares_for_95, 5);
    EXPECT_NEAR(r->failures, 0.4 / 12 * 300, 1e-9);
    EXPECT_EQ(r->spares_price, 0);
    in.failures.spares = 1;
    r = cost(in);
    ASSERT_OK(r);
    EXPECT_NEAR(r->failures, 0.4 / 12 * 300 * (1 - (1 - 0.135335) / 2), 1e-5);
    EXPECT_EQ(r->spares_price, 300);
    EXPECT_NEAR(invest(*r).own_capital, 6406.45 + 300, 1e-9);
    EXPECT_NEAR(invest(*r).npv, invest(*r).accrual_npv, 1e-6);
}

TEST(Investment, ValuesOfTheMethods) {
    CostInputs in = server();
    in.hardware.parts.clear();
    in.hardware.price = 1200;
    in.hardware.months = 12;
    in.hardware.resale = 0;
    const auto value = [&](const char* method, double t) {
        in.hardware.method = method;
        return book_value(in, t);
    };
    EXPECT_NEAR(value("straight_line", 3), 900, 1e-9);
    // Sum of digits: 12 + 11 + 10 of 78 parts are gone after three months.
    EXPECT_NEAR(value("sum_of_years", 3), 1200 * (1 - 33.0 / 78), 1e-9);
    EXPECT_NEAR(value("double_declining", 1), 1000, 1e-9);  // 2 / 12 of 1200
    EXPECT_NEAR(value("double_declining", 2), 1000 - 1000.0 / 6, 1e-9);
    EXPECT_NEAR(value("double_declining", 12), 0, 1e-9);
    in.hardware.decline_per_year = 0.4;
    EXPECT_NEAR(value("declining", 6), 1200 * std::sqrt(0.6), 1e-9);
}

// c(U) of the published server at three years, 40 % residual, 20 a month of work, 0.14 a kWh, as worked
// outside: 153, 77, 39, 16, 8.6, 4.8 from 2.5 % to 100 % of 40.15 million output tokens a month.
TEST(Cost, PerMillionByUtilisation) {
    CostInputs in = server();
    in.hardware.parts.clear();
    in.hardware.price = 6406.45;
    in.hardware.resale = 0.4 * 6406.45;
    in.hardware.months = 36;
    in.hardware.fixed_per_month = 20;
    in.power.idle_watts = 220;
    in.power.price_per_kwh = 0.14;
    // Its own duty counts as full: 1.32 million output tokens a day.
    const double busy = 24 * 3600 / 1.32e6;  // seconds for each output token with its input
    in.speed.prefill_tokens_per_second = 1e9;
    in.speed.decode_tokens_per_second = 1 / busy;
    in.use.output_tokens_per_month.reset();
    in.use.utilisation = 1;
    const auto report = cost(in);
    ASSERT_OK(report);
    for (const auto& [share, expected] :
         {std::pair{0.025, 153.0}, {0.05, 77.0}, {0.10, 39.0}, {0.25, 16.0}, {0.50, 8.6}, {1.00, 4.8}})
        EXPECT_NEAR(cost_at_utilisation(*report, share), expected, 0.03 * expected) << share;
}

TEST(Cost, EveryTermByHand) {
    CostInputs in = server();
    in.hardware.parts.clear();
    in.hardware.price = 1000;
    in.hardware.months = 10;
    in.speed.prefill_tokens_per_second = 1000;
    in.speed.decode_tokens_per_second = 100;
    in.use.input_per_output = 10;
    in.use.cached_input_share = 0.5;
    in.use.output_tokens_per_month = 3.6e6;  // 5 * 3.6M / 1000 = 5 h of prefill, 10 h of decode
    in.power.prefill_watts = 500;
    in.power.decode_watts = 300;
    in.power.load_watts = 400;
    in.power.idle_watts = 50;
    in.power.parked_watts = 100;
    in.power.cooling = 0.2;
    in.power.price_by_hour.assign(24, 0.1);
    in.power.price_by_hour[3] = 1.3;  // the mean is 0.15; all work comes at this hour
    in.power.busy_by_hour.assign(24, 0);
    in.power.busy_by_hour[3] = 1;
    in.power.price_per_kwh.reset();
    in.api.cached_input_per_million = 0.1;
    in.api.input_per_million = 1;
    in.api.output_per_million = 4;
    in.api.batch_share = 0.4;
    in.api.batch_discount = 0.5;
    in.failures = {2, 60, 73};  // ten a month, and two in twelve of a tenth of the bill
    in.people = {3, 20};
    const auto r = cost(in);
    ASSERT_OK(r);
    const double waiting = 0.1 * 730 * 1.2, busy = (0.4 * 5 + 0.2 * 10) * 1.2;
    EXPECT_NEAR(r->energy_kwh, waiting + busy, 1e-9);
    EXPECT_NEAR(r->energy, waiting * 0.15 + busy * 1.3, 1e-9);
    const double bill = 3.6 * (10 * (0.5 * 1 + 0.5 * 0.1) + 4) * (1 - 0.4 * 0.5);
    EXPECT_NEAR(r->api_bill, bill, 1e-9);
    EXPECT_NEAR(r->people, 60, 1e-12);
    EXPECT_NEAR(r->failures, 2.0 / 12 * (60 + 0.1 * bill), 1e-9);
    EXPECT_NEAR(r->utilisation, 15 / 730.0, 1e-9);
    EXPECT_NEAR(cost_at_utilisation(*r, r->utilisation), *r->per_million_output, 1e-9);
}

}  // namespace
}  // namespace hearth::plan
