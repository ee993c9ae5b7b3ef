// text/jinja/interpreter.cpp - statements: scopes, loops, macros, output, and the budgets.
#include "text/jinja/interpreter.h"

#include <algorithm>

#include "base/limits.h"
#include "base/rng.h"
#include "text/jinja/error.h"
#include "text/jinja/filters.h"
#include "text/jinja/objects.h"
#include "text/jinja/operators.h"
#include "text/quote.h"

namespace hearth::text::jinja {
namespace {
// Statements and expressions nest in each other on the stack; beyond this a template recurses without end.
// Threads have eight megabytes.
constexpr std::uintptr_t kStackBytesMax = 3u << 20;
// Namespaces and macros are kept until the end of the render: they cost more than other values.
constexpr std::uint64_t kStepsPerHolder = 100;
}  // namespace

const Value* Scope::find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get())
        if (const auto found = scope->values.find(name); found != scope->values.end()) return &found->second;
    return nullptr;
}

void Interpreter::check_stack() const {
    const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (stack_base_ - here > kStackBytesMax)
        raise(Fault::out_of_range, 0, "expected at most {} bytes of nested steps, saw more", kStackBytesMax);
}

Interpreter::Interpreter(std::unordered_map<std::string, Value> globals, std::time_t now,
                         std::uint64_t steps_max)
    : root_(std::make_shared<Scope>()), now_(now), steps_max_(steps_max) {
    auto builtin = std::make_shared<Scope>();
    builtin->values = builtin_globals();
    auto given = std::make_shared<Scope>();
    given->values = std::move(globals);
    given->parent = builtin;
    root_->parent = given;
}

// Values may hold each other in circles and in chains of any length, always by way of a namespace or of a
// macro's scope. Emptied one by one while all of them are held here, they go without leaks and without deep
// recursion.
Interpreter::~Interpreter() {
    std::vector<ScopePtr> scopes;
    for (const auto& holder : holders_) {
        if (auto* const names = dynamic_cast<Namespace*>(holder.get())) names->clear();
        if (auto* const macro = dynamic_cast<Macro*>(holder.get()))
            for (ScopePtr scope = macro->scope; scope; scope = scope->parent) scopes.push_back(scope);
    }
    for (const ScopePtr& scope : scopes) scope->values.clear();
    root_->values.clear();
}

void Interpreter::step(std::uint64_t n) {
    steps_ += n;
    if (steps_ > steps_max_)
        raise(Fault::out_of_range, 0, "expected the template to end within {} steps, saw more", steps_max_);
}

void Interpreter::check_size(std::uint64_t bytes) const {
    if (bytes > kTemplateOutputBytesMax)
        raise(Fault::out_of_range, 0, "expected at most {} bytes of text or list, saw more",
              kTemplateOutputBytesMax);
}

namespace {
void mark_unset(const std::vector<std::string>& names, Scope& scope) {
    for (const std::string& name : names)
        scope.values[name] = Value::undefined(fmt::format("'{}' is undefined", name));
}
}  // namespace

QuotedText Interpreter::run(const Template& parsed) {
    stack_base_ = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    QuotedText out;
    out_ = &out;
    mark_unset(parsed.unset, *root_);
    execute(parsed.body, root_);
    return out;
}

void Interpreter::write(std::string_view text) {
    charge(text.size());
    check_size(out_->text.size() + text.size());
    out_->append(text);
}

void Interpreter::write(const Value& value) {
    const std::size_t before = out_->text.size();
    if (value.is_text()) check_size(before + value.text().size());
    append_escaped(*out_, value, autoescape_);
    charge(out_->text.size() - before);
    check_size(out_->text.size());
}

ScopePtr Interpreter::inner(const ScopePtr& scope) {
    auto made = std::make_shared<Scope>();
    made->parent = scope;
    return made;
}

ScopePtr Interpreter::scope_of(const Statement& s, std::size_t i, const ScopePtr& outer) {
    ScopePtr made = inner(s.isolated ? root_ : outer);
    mark_unset(s.unset[i], *made);
    return made;
}

std::uint64_t Interpreter::random() {
    Philox rng(static_cast<std::uint64_t>(now_), n_random_++);
    return rng.below(UINT64_MAX);
}

QuotedText Interpreter::capture(const Body& body, const ScopePtr& scope) {
    QuotedText out;
    QuotedText* const outer = std::exchange(out_, &out);
    try {
        execute(body, scope);
    } catch (...) {
        out_ = outer;
        throw;
    }
    out_ = outer;
    return out;
}

namespace {
std::string macro_name(const Statement& macro) {  // the body of a call block has none
    return macro.kind == StatementKind::macro ? "'" + macro.text + "'" : "None";
}

// Jinja2 checks every target before it evaluates the value.
void check_namespaces(const Expression& target, const Scope& scope) {
    if (target.kind == ExpressionKind::ns_target) {
        const Value* holder = scope.find(target.name);
        if (holder == nullptr || !holder->is_object() ||
            dynamic_cast<const Namespace*>(holder->object().get()) == nullptr)
            raise("cannot assign attribute on non-namespace object");
    }
    for (const ExpressionPtr& item : target.items) check_namespaces(*item, scope);
}
}  // namespace

Interpreter::Flow Interpreter::execute(const Body& body, const ScopePtr& scope) {
    for (const Statement& statement : body) {
        step();
        try {
            if (const Flow flow = execute(statement, scope); flow != Flow::next) return flow;
        } catch (TemplateError& error) {
            if (error.line == 0) error.line = statement.line;
            throw;
        }
    }
    return Flow::next;
}

Interpreter::Flow Interpreter::execute(const Statement& s, const ScopePtr& scope) {
    check_stack();
    switch (s.kind) {
        case StatementKind::data:
            write(s.text);
            return Flow::next;
        case StatementKind::output:
            for (const ExpressionPtr& e : s.expressions) write(evaluate(*e, scope));
            return Flow::next;
        case StatementKind::if_:
            return execute_if(s, scope);
        case StatementKind::for_:
            loop(s, scope, evaluate(*s.expressions[0], scope), 0);
            return Flow::next;
        case StatementKind::set:
            check_namespaces(*s.targets[0], *scope);
            assign(*s.targets[0], evaluate(*s.expressions[0], scope), scope);
            return Flow::next;
        case StatementKind::set_block: {
            const Value body(capture(s.bodies[0], scope_of(s, 0, scope)), autoescape_);
            assign(*s.targets[0], apply_filters(s.expressions[0].get(), body, scope), scope);
            return Flow::next;
        }
        case StatementKind::macro:
            scope->values[s.text] = make_macro(s, scope);
            return Flow::next;
        case StatementKind::call_block:
            execute_call_block(s, scope);
            return Flow::next;
        case StatementKind::filter_block: {
            const Value body(capture(s.bodies[0], scope_of(s, 0, scope)), autoescape_);
            write(apply_filters(s.expressions[0].get(), body, scope));
            return Flow::next;
        }
        case StatementKind::with:
        case StatementKind::scope:
            return execute_scope(s, scope);
        case StatementKind::break_:
            return Flow::break_;
        case StatementKind::continue_:
            return Flow::continue_;
        case StatementKind::unsupported:
            raise(Fault::unsupported, s.line, "expected a template that stands alone, saw the tag {}",
                  quoted(s.text));
    }
    return Flow::next;
}

Interpreter::Flow Interpreter::execute_if(const Statement& s, const ScopePtr& scope) {
    for (std::size_t i = 0; i < s.bodies.size(); ++i)
        if (i >= s.expressions.size() || truthy(evaluate(*s.expressions[i], scope)))
            return execute(s.bodies[i], scope);
    return Flow::next;
}

Interpreter::Flow Interpreter::execute_scope(const Statement& s, const ScopePtr& scope) {
    const ScopePtr own = scope_of(s, 0, scope);
    if (s.kind == StatementKind::with) {  // the values do not see the names
        for (std::size_t i = 0; i < s.targets.size(); ++i)
            assign(*s.targets[i], evaluate(*s.expressions[i], scope), own);
        return execute(s.bodies[0], own);
    }
    // Jinja2 has the body of `generation` called like a macro's.
    if (s.uses_kwargs) own->values["kwargs"] = Value(std::shared_ptr<const Dict>(std::make_shared<Dict>()));
    if (s.uses_varargs) own->values["varargs"] = Value::tuple({});
    if (s.uses_caller) own->values["caller"] = Value::undefined("No caller defined");
    if (s.expressions.empty() && !s.isolated) return execute(s.bodies[0], own);
    const bool outer = std::exchange(autoescape_, !s.isolated && truthy(evaluate(*s.expressions[0], scope)));
    const Flow flow = execute(s.bodies[0], own);
    autoescape_ = outer;
    return flow;
}

void Interpreter::loop(const Statement& s, const ScopePtr& scope, const Value& iterable, int level) {
    // What reads a generator besides, in the loop or behind its `break`, finds what the loop has not taken.
    const bool is_generator = iterable.is_sequence() && iterable.sequence().kind == SequenceKind::generator;
    const Value source =
        is_generator ? iterable : Value::sequence(SequenceKind::generator, iterate(iterable));
    charge((source.sequence().items.size() - source.sequence().taken) * sizeof(Value));
    const int depth = deeper_than(source);
    const auto items = std::make_shared<Values>();
    const Expression* const wanted = s.expressions[1].get();
    std::function<bool()> more = [this, &s, scope, wanted, items = items.get(), source] {
        while (auto item = take_next(source.sequence())) {
            step();
            if (wanted != nullptr) {
                const ScopePtr own = inner(scope);
                assign(*s.targets[0], *item, own);
                if (!truthy(evaluate(*wanted, own))) continue;
            }
            items->push_back(std::move(*item));
            return true;
        }
        return false;
    };
    const auto variable = std::make_shared<Loop>(s, scope, items, std::move(more), level);
    variable->depth = depth;
    bool completed = false;  // an iteration that `continue` or `break` ends does not count
    for (std::size_t i = 0; variable->has(i); ++i) {
        const ScopePtr own = scope_of(s, 0, scope);
        variable->at = i;
        own->values["loop"] = Value(std::shared_ptr<Object>(variable));
        assign(*s.targets[0], (*items)[i], own);
        step();
        const Flow flow = execute(s.bodies[0], own);
        completed = completed || flow == Flow::next;
        if (flow == Flow::break_) break;
    }
    if (!completed) execute(s.bodies[1], scope_of(s, 1, scope));
}

QuotedText Interpreter::run_loop(const Statement& s, const ScopePtr& outer, const Value& iterable,
                                 int level) {
    if (level >= kTemplateDepthMax)
        raise(Fault::out_of_range, 0, "expected at most {} levels of recursion, saw more", kTemplateDepthMax);
    check_stack();
    QuotedText out;
    QuotedText* const before = std::exchange(out_, &out);
    try {
        loop(s, outer, iterable, level);
    } catch (...) {
        out_ = before;
        throw;
    }
    out_ = before;
    return out;
}

void Interpreter::assign(const Expression& target, const Value& value, const ScopePtr& scope) {
    if (target.kind == ExpressionKind::name) {
        scope->values[target.name] = value;
        return;
    }
    if (target.kind == ExpressionKind::ns_target) {
        const Value* holder = scope->find(target.name);
        auto* const names = holder != nullptr && holder->is_object()
                                ? dynamic_cast<Namespace*>(holder->object().get())
                                : nullptr;
        if (names == nullptr) raise("cannot assign attribute on non-namespace object");
        names->set(target.attribute, value);
        return;
    }
    const bool iterable = value.is_sequence() || value.is_dict() || value.is_text() || value.is_undefined();
    if (!iterable) raise("cannot unpack non-iterable {} object", type_name(value));
    const Values items = iterate(value);
    const std::size_t n = target.items.size();
    if (items.size() < n) raise("not enough values to unpack (expected {}, got {})", n, items.size());
    if (items.size() > n) raise("too many values to unpack (expected {})", n);
    for (std::size_t i = 0; i < items.size(); ++i) assign(*target.items[i], items[i], scope);
}

Value Interpreter::make_macro(const Statement& s, const ScopePtr& scope) {
    step(kStepsPerHolder);
    const auto macro = std::make_shared<Macro>(s, scope);
    holders_.push_back(macro);
    return Value(std::shared_ptr<Object>(macro));
}

void Interpreter::keep(std::shared_ptr<Object> holder) {
    step(kStepsPerHolder);
    holders_.push_back(std::move(holder));
}

QuotedText Interpreter::run_macro(const Statement& macro, const ScopePtr& outer, const Arguments& arguments) {
    struct Level {
        int& depth;
        ~Level() { --depth; }
    };
    if (macro_depth_ >= kTemplateDepthMax)
        raise(Fault::out_of_range, 0, "expected at most {} levels of macro calls, saw more",
              kTemplateDepthMax);
    const Level level{++macro_depth_};
    const ScopePtr own = scope_of(macro, 0, outer);
    Arguments left = arguments;
    // Puts the named argument into the scope, if it was given.
    const auto take_named = [&](const std::string& name) {
        const auto found = std::find_if(left.named.begin(), left.named.end(),
                                        [&](const auto& argument) { return argument.first == name; });
        if (found == left.named.end()) return false;
        own->values[name] = std::move(found->second);
        left.named.erase(found);
        return true;
    };
    const std::size_t n = macro.parameters.size();
    for (std::size_t i = 0; i < n; ++i) {
        const Parameter& parameter = macro.parameters[i];
        Value& value = own->values[parameter.name];
        if (i < arguments.positional.size())
            value = arguments.positional[i];
        else if (!take_named(parameter.name))
            value = parameter.fallback
                        ? evaluate(*parameter.fallback, own)
                        : Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name));
    }
    if (macro.uses_caller && std::none_of(macro.parameters.begin(), macro.parameters.end(),
                                          [](const Parameter& p) { return p.name == "caller"; })) {
        if (!take_named("caller")) own->values["caller"] = Value::undefined("No caller defined");
    }
    if (macro.uses_kwargs) {
        auto rest = std::make_shared<Dict>();
        for (auto& [name, value] : left.named) rest->set(arguments.name_value(name), value);
        left.named.clear();
        own->values["kwargs"] = Value(std::shared_ptr<const Dict>(std::move(rest)));
    }
    const auto is_caller = [](const auto& argument) { return argument.first == "caller"; };
    if (std::any_of(left.named.begin(), left.named.end(), is_caller))
        raise(
            "macro {} was invoked with two values for the special caller argument. This is most likely a "
            "bug.",
            macro_name(macro));
    if (!left.named.empty())
        raise("macro {} takes no keyword argument '{}'", macro_name(macro), left.named.front().first);
    if (macro.uses_varargs) {
        Values rest;
        for (std::size_t i = n; i < arguments.positional.size(); ++i) rest.push_back(arguments.positional[i]);
        own->values["varargs"] = Value::tuple(std::move(rest));
    } else if (arguments.positional.size() > n) {
        raise("macro {} takes not more than {} argument(s)", macro_name(macro), n);
    }
    return capture(macro.bodies[0], own);
}

void Interpreter::execute_call_block(const Statement& s, const ScopePtr& scope) {
    const Expression& call_expression = *s.expressions[0];
    const Value callee = evaluate(*call_expression.items[0], scope);
    Arguments arguments = evaluate_arguments(call_expression.arguments, scope);
    arguments.named.emplace_back("caller", make_macro(s, scope));
    write(call(callee, arguments));
}

}  // namespace hearth::text::jinja
