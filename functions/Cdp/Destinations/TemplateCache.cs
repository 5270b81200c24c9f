using System.Collections.Concurrent;

namespace Cdp.Destinations;

/// <summary>Compiled templates of settings: compiling costs milliseconds, and a destination has one.</summary>
internal static class TemplateCache
{
    // Beyond this somebody changes templates all day: they are compiled anew.
    private const int Most = 500;

    private static readonly ConcurrentDictionary<(string, TemplateKind), Template> Compiled = new();

    /// <exception cref="TemplateException">It is no template; a check of settings finds that before.</exception>
    public static Template Get(string source, TemplateKind kind)
    {
        if (Compiled.TryGetValue((source, kind), out var known))
            return known;
        if (Compiled.Count >= Most)
            Compiled.Clear();
        return Compiled[(source, kind)] = Template.Parse(source, kind, out var error) ?? throw new TemplateException("The template is none: " + error);
    }
}
