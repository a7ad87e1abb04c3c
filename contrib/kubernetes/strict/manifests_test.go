package strict

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

const manifests = "../port843.yaml"

// object is what every kind has.
type object interface {
	GetName() string
	GetNamespace() string
}

// kinds makes an empty object of each kind that may stand in the manifests.
var kinds = map[string]func() object{
	"v1/Namespace":                       func() object { return &corev1.Namespace{} },
	"v1/ServiceAccount":                  func() object { return &corev1.ServiceAccount{} },
	"v1/ConfigMap":                       func() object { return &corev1.ConfigMap{} },
	"apps/v1/Deployment":                 func() object { return &appsv1.Deployment{} },
	"v1/Service":                         func() object { return &corev1.Service{} },
	"networking.k8s.io/v1/NetworkPolicy": func() object { return &networkingv1.NetworkPolicy{} },
	"policy/v1/PodDisruptionBudget":      func() object { return &policyv1.PodDisruptionBudget{} },
}

// decode reads every document. A key that the API does not know, or that
// stands twice, fails the test.
func decode(t *testing.T) map[string]object {
	t.Helper()
	data, err := os.ReadFile(manifests)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]object{}
	for _, doc := range strings.Split(string(data), "\n---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatal(err)
		}
		name := kind.APIVersion + "/" + kind.Kind
		empty, ok := kinds[name]
		if !ok {
			t.Fatalf("the kind %s is not expected", name)
		}
		o := empty()
		if err := yaml.UnmarshalStrict([]byte(doc), o, yaml.DisallowUnknownFields); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o.GetNamespace() != "port843" && kind.Kind != "Namespace" {
			t.Errorf("%s %s lies in the namespace %q", name, o.GetName(), o.GetNamespace())
		}
		out[kind.Kind+"/"+o.GetName()] = o
	}
	if len(out) != 8 {
		t.Fatalf("%d objects", len(out))
	}
	return out
}

func get[T object](t *testing.T, all map[string]object, name string) T {
	t.Helper()
	o, ok := all[name].(T)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return o
}

func TestStrictlyDecodedAndConsistent(t *testing.T) {
	all := decode(t)
	d := get[*appsv1.Deployment](t, all, "Deployment/port843")
	pod := labels.Set(d.Spec.Template.Labels)
	budget := get[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget/port843")
	network := get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy/port843")
	for name, s := range map[string]*metav1.LabelSelector{"the Deployment": d.Spec.Selector, "the budget": budget.Spec.Selector, "the NetworkPolicy": &network.Spec.PodSelector} {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(pod) {
			t.Errorf("%s does not select the pods: %v", name, err)
		}
	}
	service := get[*corev1.Service](t, all, "Service/port843")
	if !labels.SelectorFromSet(service.Spec.Selector).Matches(pod) {
		t.Error("the Service does not select the pods")
	}
	container := d.Spec.Template.Spec.Containers[0]
	port := func(name string) int32 {
		i := slices.IndexFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("the container has no port %q", name)
		}
		return container.Ports[i].ContainerPort
	}
	if p := service.Spec.Ports[0]; p.Port != 843 || port(p.TargetPort.StrVal) != 10843 {
		t.Errorf("the Service leads %+v", p)
	}
	for _, rule := range network.Spec.Ingress {
		for _, p := range rule.Ports {
			port(p.Port.StrVal)
		}
	}
	for _, probe := range []*corev1.Probe{container.StartupProbe, container.ReadinessProbe, container.LivenessProbe} {
		if probe.HTTPGet.Path != "/readyz" || port(probe.HTTPGet.Port.StrVal) != 8430 {
			t.Errorf("a probe asks %+v", probe.HTTPGet)
		}
	}
	if int(*d.Spec.Replicas) <= budget.Spec.MinAvailable.IntValue() {
		t.Error("the budget lets no pod go")
	}
	for _, m := range container.VolumeMounts {
		i := slices.IndexFunc(d.Spec.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		if i < 0 || !m.ReadOnly {
			t.Fatalf("the mount %s has no volume, or may be written", m.MountPath)
		}
		if s := d.Spec.Template.Spec.Volumes[i].Secret; s != nil && s.SecretName == "port843-admin" {
			continue // whoever installs it makes his own
		}
		get[*corev1.ConfigMap](t, all, "ConfigMap/"+d.Spec.Template.Spec.Volumes[i].ConfigMap.Name)
	}
}

// TestPodSecurityIsRestricted asks what admits pods in a cluster.
func TestPodSecurityIsRestricted(t *testing.T) {
	all := decode(t)
	level := get[*corev1.Namespace](t, all, "Namespace/port843").Labels["pod-security.kubernetes.io/enforce"]
	if level != string(api.LevelRestricted) {
		t.Errorf("the namespace enforces %q", level)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(pod *corev1.PodTemplateSpec) policy.AggregateCheckResult {
		version := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
		return policy.AggregateCheckResults(evaluator.EvaluatePod(version, &pod.ObjectMeta, &pod.Spec))
	}
	pod := get[*appsv1.Deployment](t, all, "Deployment/port843").Spec.Template
	if r := judge(&pod); !r.Allowed {
		t.Errorf("it would not be admitted: %s", r.ForbiddenDetail())
	}
	// The judge judges: the same pod as root is refused.
	root := int64(0)
	pod.Spec.SecurityContext.RunAsUser = &root
	if judge(&pod).Allowed {
		t.Error("a pod that runs as root is admitted")
	}
}
