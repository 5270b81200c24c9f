using System.Reflection;
using Microsoft.Azure.Functions.Worker;
using Microsoft.Azure.Functions.Worker.Extensions.Abstractions;

namespace CdpFunctions.Local.Runtime;

/// <summary>Finds the methods marked with <see cref="FunctionAttribute"/>. All reflection happens here, once, at start.</summary>
internal static class FunctionDiscovery
{
    /// <exception cref="LocalHostException">Two functions have one name, or one can't be bound.</exception>
    public static IReadOnlyList<FunctionDescriptor> Find(IEnumerable<Type> types)
    {
        const BindingFlags methods = BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        List<FunctionDescriptor> functions = [];
        HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
        foreach (var method in types.Where(type => type.IsClass).SelectMany(type => type.GetMethods(methods)))
        {
            if (method.GetCustomAttribute<FunctionAttribute>() is not { } attribute) continue;
            if (!names.Add(attribute.Name))
                throw new LocalHostException($"Two functions are named {attribute.Name}: give one of them another name.");
            var triggers = method.GetParameters()
                .Select(parameter => (Parameter: parameter, Attribute: parameter.GetCustomAttribute<TriggerBindingAttribute>()))
                .Where(candidate => candidate.Attribute is not null)
                .ToList();
            if (triggers.Count != 1)
                throw new LocalHostException($"The function {attribute.Name} has {triggers.Count} trigger parameters: give it exactly one.");
            functions.Add(new FunctionDescriptor(method, attribute.Name, triggers[0].Parameter, triggers[0].Attribute!));
        }
        return functions;
    }
}
