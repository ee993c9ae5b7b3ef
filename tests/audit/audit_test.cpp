// tests/audit/audit_test.cpp - a whole audit with a small fake model: report, records, HTML; zeros against
// itself.
#include "audit/audit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "audit/fake_subject.h"
#include "audit/plot.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "material.h"

namespace hearth::audit {
namespace {

using tests::FakeSubject;

class AuditTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_ = fs::temp_directory_path() / fmt::format("hearth-audit-test-{}", getpid());
        fs::remove_all(folder_);
        fs::create_directories(folder_ / "bench");
        std::string sums, logic, safety, text;
        for (int i = 0; i < 250; ++i) {
            sums += fmt::format("{{\"question\": \"{} + 1\", \"target\": \"{}\"}}\n", i, i + 1);
            answers_[fmt::format("{} + 1", i)] = fmt::format("so #### {}", i + 1);
        }
        for (int i = 0; i < 40; ++i)
            logic +=
                fmt::format("{{\"question\": \"l{}\", \"choices\": [\"a{}\", \"bb{}\"], \"gold\": {}}}\n", i,
                            i, i, i % 2);
        for (int i = 0; i < 30; ++i) {
            safety += fmt::format("{{\"behavior\": \"s{}\", \"label\": \"{}\"}}\n", i,
                                  i < 14 ? "forbidden" : "benign");
            if (i < 14) answers_[fmt::format("s{}", i)] = "I can't help with that.";
            text += fmt::format("Story number {} is told <here> & now.\n\n", i);
        }
        ASSERT_OK(write_whole(folder_ / "bench/arith.jsonl", sums));
        ASSERT_OK(write_whole(folder_ / "bench/logic.jsonl", logic));
        ASSERT_OK(write_whole(folder_ / "bench/safety.jsonl", safety));
        ASSERT_OK(write_whole(folder_ / "stories.txt", text));
        options_.tasks = folder_ / "bench";
        options_.text = folder_ / "stories.txt";
        options_.command = "hearth audit a b --tasks <bench>";
    }
    void TearDown() override {
        if (std::getenv("HEARTH_KEEP_REPORT") == nullptr) fs::remove_all(folder_);
    }
    Result<Report> audit(Subject& base, Subject* variant, const char* out) {
        HEARTH_TRY(RunFolder run, RunFolder::create(folder_ / out, "audit"));
        HEARTH_TRY(Report report, run_audit(base, variant, options_, run, {}));
        HEARTH_TRY_STATUS(write_report(run, report));
        return report;
    }
    fs::path folder_;
    std::map<std::string, std::string> answers_;
    AuditOptions options_;
};

TEST_F(AuditTest, AModelAgainstItselfShowsExactlyNothing) {
    FakeSubject a("a"), b("a");
    a.answers = b.answers = answers_;
    const auto report = audit(a, &b, "run");
    ASSERT_OK(report);
    for (const TaskRow& t : report->tasks) {
        EXPECT_EQ(t.pairs.base_only + t.pairs.variant_only, 0);
        EXPECT_EQ(t.answers_changed, 0);
        EXPECT_EQ(t.difference, 0);
        EXPECT_EQ(t.p_corrected, 1);
        EXPECT_NEAR(t.difference_interval.high, -t.difference_interval.low, 1e-12);
    }
    EXPECT_EQ(report->text->divergence->mean.value, 0);
    EXPECT_EQ(report->text->divergence->max, 0);
    EXPECT_EQ(report->text->divergence->zeros, report->text->tokens);
    EXPECT_FALSE(any_worse(*report));
    EXPECT_EQ(report->tasks[0].verdict, Verdict::no_difference);
    EXPECT_EQ(report->tasks[1].verdict, Verdict::too_few);  // 40 items cannot exclude 3 points
}

TEST_F(AuditTest, AWorseVariantIsCalledWorse) {
    FakeSubject a("base"), b("variant", 0.2);
    a.answers = b.answers = answers_;
    for (int i = 0; i < 25; ++i) b.answers[fmt::format("{} + 1", i * 3)] = "so #### 0";
    for (int i = 0; i < 14; ++i) b.answers[fmt::format("s{}", i)] = "Gladly.";
    const auto report = audit(a, &b, "run");
    ASSERT_OK(report);
    ASSERT_EQ(report->tasks.size(), 2u);
    EXPECT_EQ(report->tasks[0].right_base, 250);
    EXPECT_EQ(report->tasks[0].right_variant, 225);
    EXPECT_EQ(report->tasks[0].verdict, Verdict::worse);
    EXPECT_EQ(report->tasks[1].right_base, 20);  // the first of equals is right for every even item
    EXPECT_DOUBLE_EQ(report->tasks[1].chance, 0.5);
    EXPECT_TRUE(any_worse(*report));
    EXPECT_NE(summary_sentence(*report).find("Worse on arith."), std::string::npos);
    EXPECT_NE(summary_sentence(*report).find("Refuses 0 of 14 forbidden requests where the base refused 14."),
              std::string::npos);
    ASSERT_EQ(report->safety.size(), 2u);
    EXPECT_EQ(report->safety[0].refused_base, 14);
    EXPECT_EQ(report->safety[0].refused_variant, 0);
    EXPECT_EQ(report->safety[1].n, 16);
    EXPECT_GT(report->text->divergence->mean.value, 0);
    EXPECT_LE(report->text->divergence->mean.interval.low, report->text->divergence->mean.value);
    EXPECT_GE(report->text->divergence->mean.interval.high, report->text->divergence->mean.value);
}

TEST_F(AuditTest, TheRecordsHoldEveryNumber) {
    FakeSubject a("base"), b("variant", 0.2);
    a.answers = b.answers = answers_;
    const auto report = audit(a, &b, "run");
    ASSERT_OK(report);
    for (const RecordFile& f : report->records) {
        const std::string text = *read_text(folder_ / "run" / f.path, 1 << 24);
        EXPECT_EQ(text.size(), f.bytes);
        EXPECT_EQ(hash_hex(std::as_bytes(std::span(text))), f.hash);
    }
    // The mean divergence again, from text.jsonl alone.
    const std::string text = *read_text(folder_ / "run/text.jsonl", 1 << 24);
    double sum = 0;
    std::int64_t count = 0;
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        const Json row =
            *parse_json(std::string_view(text).substr(at, text.find('\n', at) - at), "text.jsonl");
        for (const Json& v : row.at("kl").as_array()) sum += v.to_number<double>();
        count += static_cast<std::int64_t>(row.at("ids").as_array().size());
    }
    EXPECT_EQ(count, report->text->tokens);
    EXPECT_NEAR(sum / static_cast<double>(count), report->text->divergence->mean.value, 1e-15);
    const Json json = *parse_json(*read_text(folder_ / "run/report.json", 1 << 24), "report.json");
    EXPECT_EQ(json.at("tasks").at(0).at("n").as_int64(), 250);
    EXPECT_EQ(json.at("text").at("kl").at("mean").at("value").as_double(),
              report->text->divergence->mean.value);
    EXPECT_EQ(json.at("seed").as_int64(), static_cast<std::int64_t>(kSeedDefault));
    EXPECT_EQ(RunFolder::create(folder_ / "run", "audit").error().fault, Fault::usage);  // never written over
}

TEST_F(AuditTest, TheHtmlStandsAloneAndEscapesAll) {
    FakeSubject a("<script>alert(1)</script>"), b("b\"&'", 0.2);
    a.answers = b.answers = answers_;
    const auto report = audit(a, &b, "run");
    ASSERT_OK(report);
    const std::string html = report_html(*report);
    EXPECT_EQ(html.find("<script"), std::string::npos);
    EXPECT_EQ(html.find("http"), std::string::npos);
    EXPECT_EQ(html.find(" src="), std::string::npos);
    EXPECT_EQ(html.find("nan"), std::string::npos);
    EXPECT_NE(html.find("&lt;script&gt;alert(1)&lt;/script&gt;"), std::string::npos);
    EXPECT_NE(html.find("b&quot;&amp;&#39;"), std::string::npos);
    EXPECT_NE(html.find("--tasks &lt;bench&gt;"), std::string::npos);
    EXPECT_NE(html.find("prefers-color-scheme: dark"), std::string::npos);
    EXPECT_EQ(escaped(std::string_view("\0\x1b", 2)), "\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_F(AuditTest, OneModelAloneIsEvaluated) {
    FakeSubject a("a");
    a.answers = answers_;
    options_.limit = 10;
    const auto report = audit(a, nullptr, "run");
    ASSERT_OK(report);
    EXPECT_EQ(report->what, "eval");
    EXPECT_EQ(report->tasks[0].n, 10);
    EXPECT_EQ(report->text->documents, 10);
    EXPECT_FALSE(report->text->divergence.has_value());
    EXPECT_NE(report_text(*report).find("right %"), std::string::npos);
    options_.tasks.clear();
    options_.text.clear();
    EXPECT_EQ(audit(a, nullptr, "none").error().fault, Fault::usage);
}

}  // namespace
}  // namespace hearth::audit
