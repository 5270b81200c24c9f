using System.Collections.Immutable;
using System.Reflection;
using Microsoft.AspNetCore.Http;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;
using Microsoft.Extensions.DependencyInjection;

namespace CdpFunctions.Local.Runtime;

/// <summary>Calls a function's method with the arguments its parameters ask for; null when it returns nothing that answers a request.</summary>
internal delegate Task<IResult?> FunctionCall(object? target, Invocation invocation);

/// <summary>A function: its method, compiled, and the trigger that starts it.</summary>
internal sealed class FunctionDescriptor : FunctionDefinition
{
    private readonly MethodInfo _method;
    private readonly ObjectFactory? _create;
    private readonly FunctionCall _call;

    public FunctionDescriptor(MethodInfo method, string name, ParameterInfo triggerParameter, TriggerBindingAttribute trigger)
    {
        _method = method;
        Name = name;
        Trigger = trigger;
        _create = method.IsStatic ? null : ActivatorUtilities.CreateFactory(method.DeclaringType!, Type.EmptyTypes);
        _call = FunctionCompiler.Compile(this, method, triggerParameter);
        InputBindings = ImmutableDictionary<string, BindingMetadata>.Empty.Add(triggerParameter.Name!, new TriggerMetadata(triggerParameter.Name!, trigger));
    }

    public TriggerBindingAttribute Trigger { get; }

    public override string Name { get; }

    public override string Id => Name;

    public override string EntryPoint => $"{_method.DeclaringType!.FullName}.{_method.Name}";

    public override string PathToAssembly => _method.Module.Assembly.Location;

    public override ImmutableArray<FunctionParameter> Parameters =>
        [.. _method.GetParameters().Select(parameter => new FunctionParameter(parameter.Name!, parameter.ParameterType))];

    public override IImmutableDictionary<string, BindingMetadata> InputBindings { get; }

    public override IImmutableDictionary<string, BindingMetadata> OutputBindings => ImmutableDictionary<string, BindingMetadata>.Empty;

    /// <summary>Creates the function's class from the invocation's services and calls the method.</summary>
    public Task<IResult?> InvokeAsync(Invocation invocation) => _call(_create?.Invoke(invocation.InstanceServices, null), invocation);

    private sealed class TriggerMetadata(string name, TriggerBindingAttribute trigger) : BindingMetadata
    {
        public override string Name => name;

        public override string Type
        {
            get
            {
                var type = trigger.GetType().Name.Replace("Attribute", "", StringComparison.Ordinal);
                return char.ToLowerInvariant(type[0]) + type[1..];
            }
        }

        public override BindingDirection Direction => BindingDirection.In;
    }
}
