// plan/investment.cpp - flows by month, discounted; values by method.
#include "plan/investment.h"

#include <algorithm>
#include <cmath>

namespace hearth::plan {
namespace {

double monthly(double yearly) { return std::pow(1 + yearly, 1.0 / 12) - 1; }
double discount(double rate, double months) { return std::pow(1 + rate, -months); }

// Months until `capital` is paid, months counted in fractions: within a month money comes evenly, and
// discounted sums follow (1 - (1 + r)^-f) / r, so that flat flows give the closed form.
std::optional<double> payback_at(const std::vector<MonthFlow>& months, double capital, double rate) {
    double paid = 0;
    for (std::size_t m = 0; m < months.size(); ++m) {
        const double net = months[m].net(), at = static_cast<double>(m);
        const double whole = rate == 0 ? net : net * discount(rate, at + 1);
        if (net > 0 && paid + whole >= capital) {
            const double left = capital - paid;
            if (rate == 0) return at + left / net;
            const double share = left * rate / (net * discount(rate, at));
            return at - std::log(1 - share) / std::log(1 + rate);
        }
        paid += whole;
    }
    return std::nullopt;
}

// The first month at whose end selling would leave nothing lost.
std::optional<double> payback_sold(const std::vector<MonthFlow>& months, double capital) {
    double paid = 0;
    for (std::size_t m = 0; m < months.size(); ++m) {
        paid += months[m].net();
        if (paid + months[m].value >= capital) return static_cast<double>(m + 1);
    }
    return std::nullopt;
}

std::optional<double> rate_of_return(const Investment& in, double resale) {
    const auto sum = [&](double rate) {
        double value = -in.own_capital;
        for (std::size_t m = 0; m < in.months.size(); ++m)
            value += in.months[m].net() * discount(rate, static_cast<double>(m + 1));
        return value + resale * discount(rate, static_cast<double>(in.months.size()));
    };
    double low = -0.5, high = 10;  // a month
    if (!(sum(low) > 0 && sum(high) < 0)) return std::nullopt;
    for (int i = 0; i < 200; ++i) {
        const double middle = (low + high) / 2;
        (sum(middle) > 0 ? low : high) = middle;
    }
    return std::pow(1 + low, 12) - 1;
}

}  // namespace

double annuity(double loan, double rate, double n_months) {
    if (n_months <= 0) return 0;
    if (rate == 0) return loan / n_months;
    return loan * rate / (1 - std::pow(1 + rate, -n_months));
}

double balance(double loan, double rate, double n_months, double after) {
    if (n_months <= 0 || after >= n_months) return 0;
    if (rate == 0) return loan * (1 - after / n_months);
    return annuity(loan, rate, n_months) * (1 - std::pow(1 + rate, after - n_months)) / rate;
}

double book_value(const CostInputs& in, double months) {
    const double price = *in.hardware.price, life = *in.hardware.months, resale = in.hardware.resale;
    const double t = std::min(months, life), years = t / 12;
    const std::string& method = in.hardware.method;
    if (method == "market" || (method == "straight_line" && !in.hardware.parts.empty() && months == 0)) {
        if (method != "market") return price;
        if (in.hardware.parts.empty()) return price * std::pow(1 - in.hardware.decline_per_year, years);
        double value = 0;
        for (const HardwarePart& part : in.hardware.parts)
            value += part.price * part.count * (1 - part.lost_at_once) *
                     std::pow(1 - part.decline_per_year, years);
        return value;
    }
    if (method == "declining") return price * std::pow(1 - in.hardware.decline_per_year, years);
    if (method == "double_declining") {
        // Twice the straight line's share each month, and the straight line once that is faster; never below
        // what it is sold for.
        double value = price;
        for (int m = 0; m < static_cast<int>(std::lround(t)); ++m)
            value -= std::max(std::min(value * 2 / life, value - resale),
                              (value - resale) / std::max(1.0, life - m));
        return std::max(value, resale);
    }
    if (method == "sum_of_years") {
        const double all = life * (life + 1) / 2;
        const double done = t * life - t * (t - 1) / 2;
        return price - (price - resale) * done / all;
    }
    return price - (price - resale) * t / life;
}

Investment invest(const CostReport& report) {
    const CostInputs& in = report.inputs;
    Investment out;
    const double price = *in.hardware.price, rate = monthly(in.finance.discount_rate);
    const double loan = price * in.finance.loan_share * (in.finance.loan_months > 0 ? 1 : 0);
    const double payment = annuity(loan, monthly(in.finance.loan_rate), in.finance.loan_months);
    out.own_capital = price - loan + report.spares_price;
    const auto n = static_cast<std::size_t>(std::max(1L, std::lround(*in.hardware.months)));
    for (std::size_t m = 0; m < n; ++m) {
        const auto at = static_cast<double>(m);
        MonthFlow flow;
        flow.api = report.api_bill * std::pow(1 - in.api.price_decline_per_year, at / 12);
        flow.local = report.energy + report.fixed;
        flow.loan = at < in.finance.loan_months ? payment * std::min(1.0, in.finance.loan_months - at) : 0;
        flow.value = book_value(in, at + 1);
        out.months.push_back(flow);
    }
    const double sold = out.months.back().value;
    out.npv = -out.own_capital + sold * discount(rate, static_cast<double>(n));
    // A loan that outlives the hardware: what is still owed is paid when it is sold.
    const double owed =
        balance(loan, monthly(in.finance.loan_rate), in.finance.loan_months, static_cast<double>(n));
    const double last = discount(rate, static_cast<double>(n));
    out.npv -= owed * last;
    double before = book_value(in, 0);
    // What is lost at once, spares, and the loan, are the same in both views.
    out.accrual_npv = before - price + loan - report.spares_price - owed * last;
    for (std::size_t m = 0; m < n; ++m) {
        const MonthFlow& flow = out.months[m];
        const double factor = discount(rate, static_cast<double>(m + 1));
        out.npv += flow.net() * factor;
        out.accrual_npv += (flow.net() - (before - flow.value) - rate * before) * factor;
        before = flow.value;
    }
    out.irr = rate_of_return(out, sold - owed);
    out.payback = payback_at(out.months, out.own_capital, 0);
    out.discounted_payback = payback_at(out.months, out.own_capital, rate);
    out.payback_with_resale = payback_sold(out.months, out.own_capital);
    out.first_year_depreciation = price - book_value(in, 12);
    out.first_year_total = out.first_year_depreciation + 12 * (report.energy + report.fixed);
    return out;
}

}  // namespace hearth::plan
