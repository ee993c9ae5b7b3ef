// text/jinja/interpreter.h - runs a parsed template. One per render: it owns the budgets and the scopes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/value.h"

namespace hearth::text::jinja {

// Names and values; looks outward when a name is not its own.
struct Scope {
    std::unordered_map<std::string, Value> values;
    std::shared_ptr<Scope> parent;

    [[nodiscard]] const Value* find(const std::string& name) const;
};
using ScopePtr = std::shared_ptr<Scope>;

class Interpreter {
  public:
    // `globals`: what the caller gives the template, over the built-in names. `now`: for strftime_now.
    Interpreter(std::unordered_map<std::string, Value> globals, std::time_t now, std::uint64_t steps_max);
    ~Interpreter();
    Interpreter(const Interpreter&) = delete;
    Interpreter& operator=(const Interpreter&) = delete;

    // Throws TemplateError.
    QuotedText run(const Template& parsed);

    // Budgets. Each throws TemplateError when it is spent.
    void step(std::uint64_t n = 1);
    void charge(std::size_t bytes) { step(bytes / 8 + 1); }  // for work that grows with a value's size
    void check_size(std::uint64_t bytes) const;              // of one text or list about to be made

    Value call(const Value& callee, const Arguments& arguments);
    Value filter(const std::string& name, const Value& value, const Arguments& arguments);
    bool test(const std::string& name, const Value& value, const Arguments& arguments);
    Value attribute(const Value& object, std::string_view name);  // object.name
    Value item(const Value& object, const Value& key);            // object[key]
    std::time_t now() const { return now_; }
    std::uint64_t random();
    bool autoescape() const { return autoescape_; }

    // What must be taken apart at the end, because it may hold itself.
    void keep(std::shared_ptr<Object> holder);

    // For macros and loops.
    enum class Flow { next, break_, continue_ };
    QuotedText run_macro(const Statement& macro, const ScopePtr& outer, const Arguments& arguments);
    QuotedText run_loop(const Statement& loop, const ScopePtr& outer, const Value& iterable, int level);

  private:
    void check_stack() const;
    Value evaluate(const Expression& e, const ScopePtr& scope);
    Value evaluate_name(const Expression& e, const ScopePtr& scope);
    Value evaluate_unary(const Expression& e, const ScopePtr& scope);
    Value evaluate_compare(const Expression& e, const ScopePtr& scope);
    Value evaluate_slice(const Expression& e, const ScopePtr& scope);
    Value evaluate_dict(const Expression& e, const ScopePtr& scope);
    Value evaluate_concat(const Expression& e, const ScopePtr& scope);
    Value evaluate_call(const Expression& e, const ScopePtr& scope);
    Values evaluate_all(const std::vector<ExpressionPtr>& items, const ScopePtr& scope);
    Arguments evaluate_arguments(const std::vector<Argument>& arguments, const ScopePtr& scope);
    Value apply_filters(const Expression* chain, Value value, const ScopePtr& scope);

    Flow execute(const Body& body, const ScopePtr& scope);
    Flow execute(const Statement& s, const ScopePtr& scope);
    Flow execute_if(const Statement& s, const ScopePtr& scope);
    void execute_call_block(const Statement& s, const ScopePtr& scope);
    Flow execute_scope(const Statement& s, const ScopePtr& scope);
    void loop(const Statement& s, const ScopePtr& scope, const Value& iterable, int level);
    // What a body prints in a scope of its own.
    QuotedText capture(const Body& body, const ScopePtr& scope);
    // A new scope for the statement's body `i`.
    ScopePtr scope_of(const Statement& s, std::size_t i, const ScopePtr& outer);
    void assign(const Expression& target, const Value& value, const ScopePtr& scope);
    void write(std::string_view text);
    void write(const Value& value);
    ScopePtr inner(const ScopePtr& scope);
    Value make_macro(const Statement& s, const ScopePtr& scope);

    ScopePtr root_;
    std::time_t now_;
    QuotedText* out_ = nullptr;  // where output goes
    std::uint64_t steps_ = 0, steps_max_, n_random_ = 0;
    int macro_depth_ = 0;
    std::uintptr_t stack_base_ = 0;
    bool autoescape_ = false;
    std::vector<std::shared_ptr<Object>> holders_;
};

}  // namespace hearth::text::jinja
