// text/jinja/ast.h - a parsed template: expressions and statements as plain data.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/value.h"

namespace hearth::text::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind : std::uint8_t {
    constant,
    name,
    tuple,
    list,
    dict,         // items: key, value, key, value...
    attribute,    // items[0].name
    subscript,    // items[0][items[1]]
    slice,        // items: start, stop, step; each may be null
    call,         // items[0](arguments)
    filter,       // items[0] | name(arguments); items[0] null for the body of a filter block
    test,         // items[0] is name(arguments)
    unary,        // name: "-", "+", "not"
    binary,       // name: the operator; items: left, right
    logical_and,  // items: left, right
    logical_or,
    compare,      // items[0] ops[0] items[1] ops[1] items[2]...
    concat,       // items joined as text
    conditional,  // items: test, then, else (may be null)
    ns_target,    // assignment to name.attribute; `attribute` holds it
};

struct Argument {
    std::string name;  // empty: by position
    int stars = 0;     // 1: *value, 2: **value
    ExpressionPtr value;
};

enum class Op : std::uint8_t {
    none,
    add,
    sub,
    mul,
    div,
    floordiv,
    mod,
    pow,
    eq,
    ne,
    lt,
    le,
    gt,
    ge,
    in,
    not_in,
    neg,
    pos,
    not_
};

struct Expression {
    ExpressionKind kind = ExpressionKind::constant;
    Op op = Op::none;
    int line = 0;
    std::string name;
    std::string attribute;
    Value constant;
    std::vector<ExpressionPtr> items;
    std::vector<Op> ops;
    std::vector<Argument> arguments;
};

struct Statement;
using Body = std::vector<Statement>;

enum class StatementKind : std::uint8_t {
    data,    // text as it stands
    output,  // {{ expression }}, or print with several
    if_,     // branches: tests and bodies; the last may have no test
    for_,
    set,        // target = value
    set_block,  // target = what the body prints, through filters
    macro,
    call_block,
    filter_block,
    with,
    scope,  // a body of its own scope: generation, block, autoescape
    break_,
    continue_,
    unsupported,  // extends, include, import: they need other templates
};

struct Parameter {
    std::string name;
    ExpressionPtr fallback;  // null: none
};

struct Statement {
    StatementKind kind = StatementKind::data;
    int line = 0;
    std::string text;                        // data; name of a macro; word of an unsupported tag
    std::vector<ExpressionPtr> expressions;  // see the parser for what each kind holds
    std::vector<ExpressionPtr> targets;
    std::vector<Parameter> parameters;
    std::vector<Body> bodies;
    std::vector<std::vector<std::string>> unset;  // by body: names undefined until it sets them
    bool recursive = false;
    bool isolated = false;  // a block: it sees the outermost scope alone
    bool uses_varargs = false, uses_kwargs = false, uses_caller = false;  // macros
};

struct Template {
    Body body;
    std::vector<std::string> unset;  // as Statement's
};

}  // namespace hearth::text::jinja
