using System.Collections;
using System.Diagnostics;
using Azure.Storage.Queues.Models;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;

namespace CdpFunctions.Local.Runtime;

/// <summary>One run of a function. What few functions ask for is made on demand.</summary>
internal abstract class Invocation(FunctionDescriptor function, IServiceProvider services, CancellationToken cancellationToken) : FunctionContext
{
    private string? _invocationId;
    private IDictionary<object, object>? _items;
    private InvocationFeatures? _features;

    public override string InvocationId => _invocationId ??= Guid.NewGuid().ToString();

    public override string FunctionId => function.Id;

    public override FunctionDefinition FunctionDefinition => function;

    public override IServiceProvider InstanceServices { get; set; } = services;

    public override CancellationToken CancellationToken { get; } = cancellationToken;

    public override IDictionary<object, object> Items
    {
        get => _items ??= CreateItems();
        set => _items = value;
    }

    public override IInvocationFeatures Features => _features ??= new InvocationFeatures();

    public override TraceContext TraceContext { get; } = CurrentTrace.Instance;

    public override RetryContext RetryContext { get; } = NoRetry.Instance;

    public override BindingContext BindingContext => new TriggerData(BindingData());

    protected abstract IReadOnlyDictionary<string, object?> BindingData();

    protected virtual IDictionary<object, object> CreateItems() => new Dictionary<object, object>();

    private sealed class TriggerData(IReadOnlyDictionary<string, object?> data) : BindingContext
    {
        public override IReadOnlyDictionary<string, object?> BindingData => data;
    }

    private sealed class CurrentTrace : TraceContext
    {
        public static readonly CurrentTrace Instance = new();

        public override string TraceParent => Activity.Current?.Id ?? "";

        public override string TraceState => Activity.Current?.TraceStateString ?? "";
    }

    private sealed class NoRetry : RetryContext
    {
        public static readonly NoRetry Instance = new();

        public override int RetryCount => 0;

        public override int MaxRetryCount => 0;
    }

    private sealed class InvocationFeatures : IInvocationFeatures
    {
        private readonly Dictionary<Type, object> _features = [];

        public void Set<T>(T instance) => _features[typeof(T)] = instance!;

        public T? Get<T>() => _features.TryGetValue(typeof(T), out var feature) ? (T)feature : default;

        public IEnumerator<KeyValuePair<Type, object>> GetEnumerator() => _features.GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}

/// <summary>A run started by a request. Its services are the request's scope, its cancellation the caller hanging up.</summary>
internal sealed class HttpInvocation(FunctionDescriptor function, HttpContext http) : Invocation(function, http.RequestServices, http.RequestAborted)
{
    // Where the official ASP.NET Core integration keeps it; FunctionContext.GetHttpContext() looks there.
    private const string HttpContextKey = "HttpRequestContext";

    public HttpRequest Request => http.Request;

    public string? RouteText(string name) => http.Request.RouteValues[name] as string;

    public T RouteValue<T>(string name) where T : struct, IParsable<T> => OptionalRouteValue<T>(name) ?? default;

    public T? OptionalRouteValue<T>(string name) where T : struct, IParsable<T> =>
        RouteText(name) is { } text ? T.Parse(text, null) : null;

    protected override IReadOnlyDictionary<string, object?> BindingData() => http.Request.RouteValues;

    protected override IDictionary<object, object> CreateItems() => new Dictionary<object, object> { [HttpContextKey] = http };
}

internal sealed class QueueInvocation(FunctionDescriptor function, QueueMessage message, IServiceProvider services, CancellationToken cancellationToken)
    : Invocation(function, services, cancellationToken)
{
    public QueueMessage Message => message;

    public string Text => message.Body.ToString();

    protected override IReadOnlyDictionary<string, object?> BindingData() => new Dictionary<string, object?>(StringComparer.OrdinalIgnoreCase)
    {
        ["QueueTrigger"] = Text,
        ["DequeueCount"] = message.DequeueCount,
        ["Id"] = message.MessageId,
        ["PopReceipt"] = message.PopReceipt,
        ["InsertionTime"] = message.InsertedOn,
        ["ExpirationTime"] = message.ExpiresOn,
        ["NextVisibleTime"] = message.NextVisibleOn,
    };
}

internal sealed class TimerInvocation(FunctionDescriptor function, TimerInfo timer, IServiceProvider services, CancellationToken cancellationToken)
    : Invocation(function, services, cancellationToken)
{
    public TimerInfo Timer => timer;

    protected override IReadOnlyDictionary<string, object?> BindingData() => new Dictionary<string, object?> { ["TimerTrigger"] = timer };
}
