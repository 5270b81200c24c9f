using System.Linq.Expressions;
using System.Reflection;
using Azure.Storage.Queues.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Local.Runtime;

/// <summary>
/// Turns a function's method into a delegate. Parameters: the trigger's value (<see cref="HttpRequest"/>, <see cref="QueueMessage"/> or string,
/// <see cref="TimerInfo"/>), <see cref="FunctionContext"/>, <see cref="CancellationToken"/>, and route parameters by name.
/// Results as in the isolated worker: nothing, a task, an <see cref="IResult"/> or a task of one (it does not await a ValueTask).
/// </summary>
internal static class FunctionCompiler
{
    private static readonly MethodInfo Await = Method(nameof(AwaitAsync));
    private static readonly MethodInfo AwaitResult = Method(nameof(AwaitResultAsync));
    private static readonly MethodInfo FromResult = Method(nameof(Done));

    public static FunctionCall Compile(FunctionDescriptor function, MethodInfo method, ParameterInfo trigger)
    {
        var target = Expression.Parameter(typeof(object), "target");
        var invocation = Expression.Parameter(typeof(Invocation), "invocation");
        var arguments = method.GetParameters().Select(parameter => Argument(function, parameter, parameter == trigger, invocation));
        var call = Expression.Call(method.IsStatic ? null : Expression.Convert(target, method.DeclaringType!), method, arguments);
        return Expression.Lambda<FunctionCall>(Result(function, call), target, invocation).Compile();
    }

    private static Expression Argument(FunctionDescriptor function, ParameterInfo parameter, bool isTrigger, ParameterExpression invocation)
    {
        var type = parameter.ParameterType;
        if (type == typeof(FunctionContext)) return invocation;
        if (type == typeof(CancellationToken)) return Expression.Property(invocation, nameof(FunctionContext.CancellationToken));
        return (function.Trigger, isTrigger) switch
        {
            (HttpTriggerAttribute, true) when type == typeof(HttpRequest) => Value<HttpInvocation>(nameof(HttpInvocation.Request)),
            (HttpTriggerAttribute, false) when type == typeof(string) => Route(nameof(HttpInvocation.RouteText)),
            (HttpTriggerAttribute, false) when IsParsable(type) => Route(nameof(HttpInvocation.RouteValue), type),
            (HttpTriggerAttribute, false) when Nullable.GetUnderlyingType(type) is { } value && IsParsable(value) => Route(nameof(HttpInvocation.OptionalRouteValue), value),
            (QueueTriggerAttribute, true) when type == typeof(QueueMessage) => Value<QueueInvocation>(nameof(QueueInvocation.Message)),
            (QueueTriggerAttribute, true) when type == typeof(string) => Value<QueueInvocation>(nameof(QueueInvocation.Text)),
            (TimerTriggerAttribute, true) when type == typeof(TimerInfo) => Value<TimerInvocation>(nameof(TimerInvocation.Timer)),
            _ => throw new LocalHostException($"The function {function.Name} cannot have the parameter '{type.Name} {parameter.Name}': the local host has no value for it."),
        };

        MemberExpression Value<T>(string property) => Expression.Property(Expression.Convert(invocation, typeof(T)), property);

        MethodCallExpression Route(string method, params Type[] types) =>
            Expression.Call(Expression.Convert(invocation, typeof(HttpInvocation)), method, types, Expression.Constant(parameter.Name));
    }

    private static bool IsParsable(Type type) =>
        type.IsValueType && type.GetInterfaces().Any(candidate => candidate.IsGenericType && candidate.GetGenericTypeDefinition() == typeof(IParsable<>));

    private static Expression Result(FunctionDescriptor function, MethodCallExpression call)
    {
        var type = call.Type;
        if (type == typeof(Task<IResult>)) return call;
        if (type == typeof(void)) return Expression.Block(call, Expression.Call(FromResult, Expression.Constant(null, typeof(IResult))));
        if (type == typeof(Task)) return Expression.Call(Await, call);
        if (typeof(IResult).IsAssignableFrom(type)) return Expression.Call(FromResult, Expression.Convert(call, typeof(IResult)));
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Task<>) && typeof(IResult).IsAssignableFrom(type.GetGenericArguments()[0]))
            return Expression.Call(AwaitResult.MakeGenericMethod(type.GetGenericArguments()), call);
        throw new LocalHostException($"The function {function.Name} cannot return {type.Name}: return nothing, a Task, an IResult or a Task<IResult>.");
    }

    private static MethodInfo Method(string name) => typeof(FunctionCompiler).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Static)!;

    private static Task<IResult?> Done(IResult? result) => Task.FromResult(result);

    private static async Task<IResult?> AwaitAsync(Task task)
    {
        await task;
        return null;
    }

    private static async Task<IResult?> AwaitResultAsync<T>(Task<T> task) where T : IResult => await task;
}
