// text/jinja/name_binding.cpp - see name_binding.h.
//
// In Jinja2 a name belongs to the scope that sets it, from the scope's beginning on: a loop that reads a name
// which a later statement around the loop sets finds it undefined, whatever the caller passed under that
// name. Unless the scope itself read the name before, or sets it in a branch of an `if` only: then it has the
// outer value until it is set. (jinja2/idtracking.py.)
#include "text/jinja/name_binding.h"

#include <string_view>
#include <unordered_set>

#include "text/jinja/error.h"
#include "text/jinja/filters.h"

namespace hearth::text::jinja {
namespace {

using Names = std::unordered_set<std::string>;

class Binder {
  public:
    std::vector<std::string> root(Body& body) {
        Scope scope;
        return run(scope, body, nullptr);
    }

  private:
    struct Scope {
        Scope* parent = nullptr;
        Names known;  // read or set here so far
        std::vector<std::string> unset;
        Names read_inside;  // by scopes within this one
        [[nodiscard]] bool knows(const std::string& name) const {
            for (const Scope* s = this; s != nullptr; s = s->parent)
                if (s->known.contains(name)) return true;
            return false;
        }
    };
    // `soft`: within an `if` of the same scope, where unknown filters fail only when they run.
    struct Place {
        Scope& scope;
        bool soft = false;
    };

    // A scope's own statements first, then the scopes within them, which see all of its names.
    std::vector<std::string> run(Scope& scope, Body& body, const Expression* after) {
        statements({scope}, body);
        if (after != nullptr) expression({scope}, *after);
        inner_scopes({scope}, body);
        std::erase_if(scope.unset, [&](const std::string& n) { return !scope.read_inside.contains(n); });
        if (scope.parent != nullptr) {
            Names& outer = scope.parent->read_inside;
            outer.insert(scope.known.begin(), scope.known.end());
            outer.insert(scope.read_inside.begin(), scope.read_inside.end());
        }
        return scope.unset;
    }

    static void read(Scope& scope, const std::string& name) { scope.known.insert(name); }

    static void set(const Place& at, const std::string& name) {
        const bool is_new = !at.scope.knows(name);
        at.scope.known.insert(name);
        if (is_new && !at.soft) at.scope.unset.push_back(name);
    }

    void target(const Place& at, const Expression& e) {
        if (e.kind == ExpressionKind::ns_target) return read(at.scope, e.name);
        if (e.kind == ExpressionKind::name) {
            if (e.name == "loop" && loops_ > 0)
                raise(Fault::corrupt, e.line, "Can't assign to special loop variable in for-loop target");
            return set(at, e.name);
        }
        for (const ExpressionPtr& item : e.items) target(at, *item);
    }

    void parameter(Scope& scope, const Expression& e) {
        if (e.kind == ExpressionKind::name) scope.known.insert(e.name);
        for (const ExpressionPtr& item : e.items) parameter(scope, *item);
    }

    void expression(const Place& at, const Expression& e) {
        const Place inside{at.scope, at.soft || e.kind == ExpressionKind::conditional};
        if (e.kind == ExpressionKind::name) read(at.scope, e.name);
        const bool is_filter = e.kind == ExpressionKind::filter;
        if (!at.soft && ((is_filter && find_filter(e.name) == nullptr) ||
                         (e.kind == ExpressionKind::test && find_test(e.name) == nullptr)))
            raise(Fault::corrupt, e.line, "No {} named '{}'.", is_filter ? "filter" : "test", e.name);
        for (const ExpressionPtr& item : e.items)
            if (item) expression(inside, *item);
        for (const Argument& argument : e.arguments) expression(inside, *argument.value);
    }
    void expressions(const Place& at, const std::vector<ExpressionPtr>& all) {
        for (const ExpressionPtr& e : all)
            if (e) expression(at, *e);
    }

    void statements(const Place& at, const Body& body) {
        for (const Statement& s : body) statement(at, s);
    }

    void statement(const Place& at, const Statement& s) {
        switch (s.kind) {
            case StatementKind::if_:
                for (std::size_t i = 0; i < s.bodies.size(); ++i) {
                    // The first test is read before the branch.
                    const Place branch{at.scope, true};
                    if (i < s.expressions.size()) expression(branch, *s.expressions[i]);
                    statements(branch, s.bodies[i]);
                }
                return;
            case StatementKind::for_:
                return expression(at, *s.expressions[0]);
            case StatementKind::set:
                expressions(at, s.expressions);
                return target(at, *s.targets[0]);
            case StatementKind::set_block:
                return target(at, *s.targets[0]);
            case StatementKind::macro:
                return set(at, s.text);
            case StatementKind::output:
            case StatementKind::call_block:
            case StatementKind::filter_block:
            case StatementKind::with:
                return expressions(at, s.expressions);
            default:
                return;
        }
    }

    void inner_scopes(const Place& at, Body& body) {
        for (Statement& s : body) {
            s.unset.resize(s.bodies.size());
            if (s.kind == StatementKind::if_)
                for (Body& branch : s.bodies) inner_scopes(at, branch);
            else if (s.kind == StatementKind::for_)
                for_scopes(at.scope, s);
            else if (!s.bodies.empty())
                other_scope(at.scope, s);
        }
    }

    void for_scopes(Scope& outer, Statement& s) {
        ++loops_;
        if (s.targets[0]->kind != ExpressionKind::ns_target) check_loop_target(*s.targets[0]);
        Scope inside{&outer, {}, {}, {}};
        parameter(inside, *s.targets[0]);
        if (s.expressions[1]) {
            Scope test{&outer, inside.known, {}, {}};
            expression({test}, *s.expressions[1]);
            outer.read_inside.insert(test.known.begin(), test.known.end());
        }
        inside.known.insert("loop");
        s.unset[0] = run(inside, s.bodies[0], nullptr);
        Scope otherwise{&outer, {}, {}, {}};
        s.unset[1] = run(otherwise, s.bodies[1], nullptr);
        --loops_;
    }

    void check_loop_target(const Expression& e) const {
        if (e.kind == ExpressionKind::name && e.name == "loop")
            raise(Fault::corrupt, e.line, "Can't assign to special loop variable in for-loop target");
        for (const ExpressionPtr& item : e.items) check_loop_target(*item);
    }

    void other_scope(Scope& outer, Statement& s) {
        Scope inside{s.isolated ? nullptr : &outer, {}, {}, {}};
        const bool is_macro = s.kind == StatementKind::macro || s.kind == StatementKind::call_block;
        for (const Parameter& p : s.parameters) {
            inside.known.insert(p.name);
            if (is_macro && p.name == "caller" && s.uses_caller && !p.fallback)
                raise(
                    Fault::corrupt, s.line,
                    "When defining macros or call blocks the special \"caller\" argument must be omitted or "
                    "be given a default.");
        }
        for (const Parameter& p : s.parameters)
            if (p.fallback) expression({inside}, *p.fallback);
        if (is_macro) inside.known.insert({"caller", "kwargs", "varargs"});
        for (const ExpressionPtr& t : s.targets)
            if (s.kind == StatementKind::with) parameter(inside, *t);
        if (s.kind == StatementKind::scope) {
            expressions({inside}, s.expressions);
            if (s.isolated && !blocks_.insert(s.text).second)
                raise(Fault::corrupt, s.line, "block '{}' defined twice", s.text);
        }
        const bool filtered = s.kind == StatementKind::filter_block || s.kind == StatementKind::set_block;
        s.unset[0] = run(inside, s.bodies[0], filtered ? s.expressions[0].get() : nullptr);
    }

    int loops_ = 0;
    Names blocks_;
};

}  // namespace

void bind_names(Template& parsed) { parsed.unset = Binder().root(parsed.body); }

}  // namespace hearth::text::jinja
