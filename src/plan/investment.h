// plan/investment.h - own hardware as an investment: months of cash, what it is worth in between, and the two
// views of the same sum. Formulas: docs/cost.md.
#pragma once

#include <optional>
#include <vector>

#include "plan/cost.h"

namespace hearth::plan {

struct MonthFlow {
    double api = 0, local = 0, loan = 0;  // the bill avoided; energy and fixed costs; what is paid back
    double value = 0;                     // of the hardware at the month's end
    [[nodiscard]] double net() const { return api - local - loan; }
};

struct Investment {
    double own_capital = 0;         // paid at once: the price less the loan
    std::vector<MonthFlow> months;  // as many as the hardware is used
    double npv = 0;                 // cash: capital out, nets, resale in
    double accrual_npv = 0;         // depreciation and interest on the value left; equal to npv by identity
    std::optional<double> irr;      // a year; absent: no rate makes the sum zero
    // Months until the nets have paid the capital. Absent: never, or beyond the hardware's months.
    std::optional<double> payback, discounted_payback, payback_with_resale;
    double first_year_depreciation = 0,
           first_year_total = 0;  // depreciation, energy and fixed costs of a year
};

// `report`: what cost() gave.
Investment invest(const CostReport& report);

// What an equal sum a month pays back: a loan at `rate` a month over n months.
double annuity(double loan, double rate, double n_months);
// What of it is still owed after so many months.
double balance(double loan, double rate, double n_months, double after);
// What the hardware is worth after t months, by its method.
double book_value(const CostInputs& inputs, double months);

}  // namespace hearth::plan
